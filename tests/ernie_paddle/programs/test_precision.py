"""Mixed precision: what programs hold, and where hardware allows it, what they compute."""

import numpy as np
import paddle
import pytest
from programs_support import feed_for, session_for

from ernie_paddle.errors import UserError
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.task_program import build_task_program
from ernie_paddle.settings import AdamSettings

TASKS = ("knowledge_masking", "capitalization", "sentence_distance")


def test_every_matrix_product_is_in_low_precision() -> None:
    """In bf16; Paddle for CPUs cannot even build a program in fp16."""
    session, tasks = session_for(AdamSettings(), *TASKS)
    program = build_task_program(session.config, tasks, training=True, precision="bf16")
    products, low = program.products
    assert low == products > 10
    plain = build_task_program(session.config, tasks, training=True)
    assert plain.products == (products, 0)


def test_parameters_gradients_and_losses_stay_float32() -> None:
    session, tasks = session_for(AdamSettings(), *TASKS)
    program = build_task_program(session.config, tasks, training=True, precision="bf16")
    kept = [op for op in program.main.global_block().ops if op.name() in ("builtin.parameter", "pd_op.assign_out_")]
    assert len(kept) > len(program.parameters)
    assert {op.result(0).dtype for op in kept} == {paddle.float32}


@pytest.mark.skipif(not paddle.base.core.supports_bfloat16(), reason="this CPU computes no bf16")
def test_bf16_follows_fp32_within_its_rounding() -> None:
    losses: dict[str, list[float]] = {}
    for precision in ("fp32", "bf16"):
        plain, tasks = session_for(AdamSettings(), *TASKS, dropout=0.0)
        session = Session(plain.config, 3, AdamSettings(), precision)  # type: ignore[arg-type]
        for number in range(30):
            feed = feed_for(session, tuple(tasks), number % 3)
            session.add_gradients(tuple(tasks), feed, number + 1)
            assert session.update(tuple(tasks), 0.01)
            losses.setdefault(precision, []).append(sum(value[0] for value in session.take_metrics().values()))
    np.testing.assert_allclose(losses["bf16"], losses["fp32"], rtol=0.1)
    assert losses["bf16"][-1] < 0.5 * losses["bf16"][0]


@pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="for CPUs")
def test_precision_that_the_device_lacks_is_refused() -> None:
    plain, _ = session_for(AdamSettings(), *TASKS)
    with pytest.raises(UserError, match="fp16 needs a GPU"):
        Session(plain.config, 3, AdamSettings(), "fp16")
