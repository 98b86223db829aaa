"""The dtypes of a program in low precision, operator by operator."""

from collections import defaultdict
from typing import Any

import paddle
import pytest
from programs_support import MakeBackend, gpu, gpu_with_flash, session_of, task_of

from ernie_paddle.programs.task_program import build_task_program

NAMES = ("sentence_distance", "knowledge_masking", "capitalization")
LOW, FULL = paddle.bfloat16, paddle.float32


def operands(operators: list[Any], name: str) -> list[tuple[Any, ...]]:
    """Return the dtypes of the floating operands of each operator of a name."""
    found = []
    for operator in operators:
        if operator.name() == f"pd_op.{name}":
            sources = [value for value in operator.operands_source() if value.get_defining_op() is not None]
            found.append(tuple(value.dtype for value in sources if value.dtype in (LOW, FULL)))
    return found


@pytest.mark.parametrize("make", [gpu, gpu_with_flash], ids=lambda make: make.__name__)
def test_products_biases_activations_and_dropout_are_low_norms_losses_and_residuals_are_full(make: MakeBackend) -> None:
    session = session_of(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, use_task_id=True)
    tasks, layers = [task_of(name) for name in NAMES], session.config.num_hidden_layers
    program = build_task_program(session.config, tasks, True, make(precision="bf16"))
    operators = program.main.global_block().ops
    of_gradients = {"layer_norm_grad": (FULL,), "gelu_grad": (LOW,)}
    for name, dtypes in {"layer_norm": (FULL,), "gelu": (LOW,), "softmax": (FULL,), **of_gradients}.items():
        assert {kind for dtype in operands(operators, name) for kind in dtype} == set(dtypes), name
    products = operands(operators, "matmul")
    assert {*map(len, map(set, products))} == {1}, "both operands have the same dtype"
    of_stand_in = 2 * layers if make is gpu_with_flash else 0
    assert sum(dtype[0] == FULL for dtype in products) == 1 + of_stand_in, "segments are looked up by a product"
    sums: dict[tuple[Any, ...], int] = defaultdict(int)
    for dtype in operands(operators, "add"):
        sums[dtype] += 1
    assert set(sums) == {(LOW, LOW), (FULL, FULL)}
    linears = 6 * layers + 1 + 2 + 1 + 1  # pooler; masked LM: transform and vocabulary; one for each other head
    assert sums[LOW, LOW] == linears, "biases; Paddle would have added a residual in bf16, too"
    assert set(operands(operators, "cross_entropy_with_softmax")) == {(FULL,)}
    dropped = [operator for operator in operators if operator.name() == "pd_op.dropout"]
    dtypes = [operator.operand_source(0).dtype for operator in dropped]
    # after the embedding's norm, weights of attention, and the heads' tokens are full
    assert dtypes.count(LOW) == 2 * layers and dtypes.count(FULL) == 1 + layers + 2


@pytest.mark.parametrize("make", [gpu, gpu_with_flash], ids=lambda make: make.__name__)
def test_variables_are_float32_and_each_group_is_cast_once(make: MakeBackend) -> None:
    session = session_of(use_task_id=True)
    program = build_task_program(session.config, [task_of("knowledge_masking")], True, make(precision="bf16"))
    operators = program.main.global_block().ops
    parameters = [operator.result(0) for operator in operators if operator.name() == "builtin.parameter"]
    assert {value.dtype for value in parameters} == {FULL}
    assert {value.shape[0] for value in parameters} >= {group.shape[0] for group in program.groups}
    assert len(parameters) == len(program.groups)
    casts = [
        operator
        for operator in operators
        if operator.name() == "pd_op.cast" and any(operator.operand_source(0).is_same(value) for value in parameters)
    ]
    low = [group for group in program.groups if "layer_norm" not in group.name and "_embedding" not in group.name]
    assert len(casts) == len(low) + 1, "and the word embedding for the product with the vocabulary"
