"""Mixed precision: the types in programs and, if the hardware supports it, their results."""

import os
import subprocess
import sys

import numpy as np
import paddle
import pytest
from programs_support import MakeBackend, cpu, feed_for, gpu_with_flash, ones, session_for

from ernie_paddle.errors import UserError
from ernie_paddle.programs.devices import choose_backend, cpu_supports_bf16
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.task_program import build_task_program
from ernie_paddle.settings import AdamSettings, ImplSettings

TASKS = ("knowledge_masking", "capitalization", "sentence_distance")


def test_every_matrix_product_is_in_low_precision(make_backend: MakeBackend) -> None:
    """Paddle for CPUs cannot build programs in fp16, so this is bf16."""
    session, tasks = session_for(AdamSettings(), *TASKS)
    program = build_task_program(session.config, tasks, True, make_backend(precision="bf16"))
    products, low = program.products
    of_segments = make_backend is not cpu  # a look-up in a small table
    of_stand_in = 2 * session.config.num_hidden_layers if make_backend is gpu_with_flash else 0
    assert low == products - of_segments - of_stand_in > 10
    plain = build_task_program(session.config, tasks, True, make_backend())
    assert plain.products == (products, 0)


def test_parameters_gradients_and_losses_stay_float32(make_backend: MakeBackend) -> None:
    session, tasks = session_for(AdamSettings(), *TASKS)
    program = build_task_program(session.config, tasks, True, make_backend(precision="bf16"))
    kept = [op for op in program.main.global_block().ops if op.name() in ("builtin.parameter", "pd_op.assign_out_")]
    assert len(kept) > len(program.groups)
    assert {op.result(0).dtype for op in kept} == {paddle.float32}


@pytest.mark.skipif(not cpu_supports_bf16(), reason="needs a CPU with AVX-512 that oneDNN may use")
def test_bf16_follows_fp32_within_its_rounding() -> None:
    losses: dict[str, list[float]] = {}
    for precision in ("fp32", "bf16"):
        plain, tasks = session_for(AdamSettings(), *TASKS, dropout=0.0)
        session = Session(plain.config, 3, AdamSettings(), cpu(precision=precision))  # type: ignore[arg-type]
        for number in range(30):
            feed = feed_for(session, tuple(tasks), number % 3)
            session.add_gradients(tuple(tasks), feed, ones(len(tasks)), number + 1)
            assert session.update(tuple(tasks), 0.01)
            losses.setdefault(precision, []).append(sum(value[0] for value in session.take_metrics().values()))
    np.testing.assert_allclose(losses["bf16"], losses["fp32"], rtol=0.1)
    # All three batches are learnt; each has one of the last three losses.
    fall = {precision: found[0] - np.mean(found[-3:]) for precision, found in losses.items()}
    assert fall["fp32"] > 0.25 * losses["fp32"][0] and 0.9 < fall["bf16"] / fall["fp32"] < 1.1


@pytest.mark.skipif("ONEDNN_MAX_CPU_ISA" in os.environ, reason="limits oneDNN")
def test_products_in_bf16_are_tried_where_the_cpu_has_them() -> None:
    assert cpu_supports_bf16() == paddle.base.core.supports_bfloat16()


@pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="for CPUs")
def test_precision_that_the_device_lacks_is_refused() -> None:
    with pytest.raises(UserError, match="fp16 needs a GPU"):
        choose_backend("fp16", ImplSettings())


@pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="for CPUs")
def test_bf16_is_refused_where_onednn_may_not_use_avx512() -> None:
    """Paddle checks the hardware only, and would crash in the first product."""
    code = (
        "from ernie_paddle.programs.devices import check_precision, default_place\n"
        "check_precision('fp32', default_place())\n"
        "check_precision('bf16', default_place())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "UserError: train.precision: bf16 needs a GPU or a CPU with AVX-512" in found.stderr
