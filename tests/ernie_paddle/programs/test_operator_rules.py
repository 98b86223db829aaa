"""Rules that replace operators on CPU: Paddle's own results, and none where they would not be right."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F
from programs_support import cpu, session_of, task_of

from ernie_paddle.programs.building import new_program
from ernie_paddle.programs.operator_rules import apply_rules, rules_by_operator
from ernie_paddle.programs.task_program import TaskProgram, build_task_program

Build = Callable[..., Any]
Shapes = list[tuple[int, ...]]
RANDOM = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def classes(*shape: int) -> np.ndarray:
    """Return random class ids of 7 classes; some are ignored."""
    return RANDOM.integers(-1, 7, shape)


def results(build: Build, arrays: list[np.ndarray], declared: Shapes, rules: bool) -> tuple[list[np.ndarray], set[str]]:
    """Return a function's value and the gradients of its weighted sum, and the names of the program's operators."""
    feed = {f"x{i}": array for i, array in enumerate(arrays)}
    with new_program() as main:
        names = zip(feed, declared, strict=True)
        values = [paddle.static.data(name, list(shape), str(feed[name].dtype)) for name, shape in names]
        floats = [value for value in values if value.dtype == paddle.float32]
        for value in floats:
            value.stop_gradient = False
        result = build(*values)
        weighted = paddle.sum(result * (paddle.arange(paddle.shape(result)[-1], dtype="float32") + 1))
        found = paddle.static.gradients(weighted, floats)
        fetched = [value * 1.0 for value in (result, *found) if value is not None]
        if rules:
            apply_rules(main, encoder=set())
    paddle.set_flags({"FLAGS_use_mkldnn": rules})
    fetched_arrays = paddle.static.Executor(paddle.CPUPlace()).run(main, feed=feed, fetch_list=fetched)
    cpu()  # sets the flag for later tests
    return fetched_arrays, {operator.name() for operator in main.global_block().ops}


def norm(x: Any, *parameters: Any) -> Any:
    return F.layer_norm(x, (6,), *parameters)


def cross_entropy(x: Any, labels: Any, **options: Any) -> Any:
    return F.cross_entropy(x, labels, ignore_index=-1, reduction="none", **options)


def entropy_over_rows(x: Any, labels: Any) -> Any:
    return cross_entropy(x, labels, axis=0)


def entropy_of_shares(x: Any, shares: Any) -> Any:
    return F.cross_entropy(x, F.softmax(shares), soft_label=True, reduction="none")


def add(x: Any, y: Any) -> Any:
    return x + y


def turned(x: Any) -> Any:
    return paddle.transpose(x, [4, 2, 0, 1, 3]) * 2


def product(x: Any, y: Any) -> Any:
    return paddle.matmul(x * 2, y)


def product_transposed(x: Any, y: Any) -> Any:
    return paddle.matmul(x * 2, y, transpose_y=True)


REPLACED: dict[str, tuple[Build, list[np.ndarray], Shapes, str]] = {
    "a bias": (add, [normal(5, 4), normal(4)], [(-1, 4), (4,)], "add_grad"),
    "a bias of one row": (add, [normal(1, 4), normal(4)], [(-1, 4), (4,)], "add_grad"),
    "a sum of known sizes": (add, [normal(5, 4), normal(5, 4)], [(5, 4), (5, 4)], "add_grad"),
    "a column": (product, [normal(5, 8), normal(8, 1)], [(-1, 8), (8, 1)], "matmul_grad"),
    "a column, one row": (product, [normal(1, 8), normal(8, 1)], [(-1, 8), (8, 1)], "matmul_grad"),
    "a row transposed": (product_transposed, [normal(5, 8), normal(1, 8)], [(-1, 8), (1, 8)], "matmul_grad"),
    "norm": (norm, [normal(7, 6), normal(6), normal(6)], [(-1, 6), (6,), (6,)], "layer_norm_grad"),
    "norm of one row": (norm, [normal(1, 6), normal(6), normal(6)], [(-1, 6), (6,), (6,)], "layer_norm_grad"),
    "transpose of five axes": (turned, [normal(2, 3, 4, 5, 6)], [(-1, 3, 4, 5, 6)], "transpose_grad"),
    "entropy": (cross_entropy, [normal(9, 7), classes(9, 1)], [(-1, 7), (-1, 1)], "cross_entropy_with_softmax"),
    "entropy without a label": (
        cross_entropy,
        [normal(3, 7), np.full((3, 1), -1)],
        [(-1, 7), (-1, 1)],
        "cross_entropy_with_softmax",
    ),
}
KEPT: dict[str, tuple[Build, list[np.ndarray], Shapes, str]] = {
    "one row added to several": (add, [normal(5, 4), normal(1, 4)], [(-1, 4), (-1, 4)], "add_grad"),
    "several rows added to one": (add, [normal(1, 4), normal(5, 4)], [(-1, 4), (-1, 4)], "add_grad"),
    "a number as bias": (add, [normal(5, 4), normal(1)], [(-1, -1), (-1,)], "add_grad"),
    "columns": (product, [normal(5, 8), normal(8, 3)], [(-1, 8), (8, 3)], "matmul_grad"),
    "columns of one row": (product, [normal(1, 8), normal(8, 3)], [(-1, 8), (8, 3)], "matmul_grad"),
    "norm in three dimensions": (
        norm,
        [normal(3, 4, 6), normal(6), normal(6)],
        [(-1, 4, 6), (6,), (6,)],
        "layer_norm_grad",
    ),
    "norm without scale": (norm, [normal(5, 6)], [(-1, 6)], "layer_norm_grad"),
    "entropy over rows": (
        entropy_over_rows,
        [normal(7, 7), classes(1, 7)],
        [(7, 7), (1, 7)],
        "cross_entropy_with_softmax",
    ),
    "entropy in three dimensions": (
        cross_entropy,
        [normal(2, 3, 7), classes(2, 3, 1)],
        [(-1, 3, 7), (-1, 3, 1)],
        "cross_entropy_with_softmax",
    ),
    "entropy of shares": (
        entropy_of_shares,
        [normal(4, 7), normal(4, 7)],
        [(-1, 7), (-1, 7)],
        "cross_entropy_with_softmax",
    ),
}


@pytest.mark.parametrize("name", [*REPLACED, *KEPT])
def test_results_are_paddles_own_and_operators_stay_where_the_rule_would_not_be_right(name: str) -> None:
    build, arrays, declared, operator = (REPLACED | KEPT)[name]
    expected, _ = results(build, arrays, declared, rules=False)
    found, operators = results(build, arrays, declared, rules=True)
    for own, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, own, rtol=1e-4, atol=1e-5)
    assert (f"pd_op.{operator}" in operators) == (name in KEPT)


@pytest.mark.parametrize("size", [1.0, 1e4, 1e30])
def test_losses_of_large_scores_are_exact(size: float) -> None:
    scores, labels = normal(9, 7) * np.float32(size), RANDOM.integers(0, 7, (9, 1))
    (losses, _), _ = results(cross_entropy, [scores, labels], [(-1, 7), (-1, 1)], rules=True)
    wide = scores.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    exact = np.log(np.exp(shifted).sum(axis=1, keepdims=True)) - np.take_along_axis(shifted, labels, 1)
    np.testing.assert_allclose(losses, exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_give_no_finite_loss_or_gradient_in_their_row_alone(value: float) -> None:
    scores, labels = normal(4, 7), np.array([[3], [0], [-1], [2]])
    scores[1, 5] = scores[2, 5] = value
    (losses, gradients), _ = results(cross_entropy, [scores, labels], [(-1, 7), (-1, 1)], rules=True)
    assert np.isfinite(losses[:, 0]).tolist() == [True, False, True, True], "a row without a label has the loss 0"
    assert np.isfinite(gradients).all(axis=1).tolist() == [True, False, True, True], "so that the step is skipped"


def test_no_gradient_of_the_encoder_keeps_an_operator_that_has_a_rule() -> None:
    """Residual sums have open sizes; without a rule, oneDNN would copy their gradients."""
    program = masked_lm_program()  # its operators live no longer than it
    names = {operator.name() for operator in program.main.global_block().ops}
    assert not names & (rules_by_operator(set()).keys() - {"pd_op.matmul_grad"})


def test_gradients_of_the_same_rows_share_a_column_of_ones() -> None:
    program = masked_lm_program()
    ones = [op.result(0) for op in program.main.global_block().ops if op.name() == "pd_op.full_like"]
    users = [[user.name() for user in value.all_used_ops()] for value in ones]
    products = [names for names in users if "pd_op.matmul" in names]
    biases = [name for name in program.parameters if re.search(r"(\.b_0|_scale|_bias)$", name)]
    assert sum(map(len, products)) > len(biases), "gradients of biases, LayerNorm's parameters and the task embedding"
    assert max(map(len, products)) > len(biases) / 2
    assert len(products) < len(biases) / 2


def masked_lm_program() -> TaskProgram:
    session = session_of(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, use_task_id=True)
    return build_task_program(session.config, [task_of("knowledge_masking")], True, session.backend)
