"""What holds for every program while it is built."""

import sys
from typing import Any

import numpy as np
import paddle
import pytest

from ernie_paddle.programs.building import FRAMES_KEPT, new_program


def built_at(depth: int) -> tuple[Any, Any]:
    """Build a product so many calls deep; return the program and the product."""
    if depth:
        return built_at(depth - 1)
    with new_program() as main:
        inputs = [paddle.static.data(name, [-1, 4], "float32") for name in ("x", "y")]
        product = paddle.matmul(*inputs)
    return main, product


def test_an_operator_that_fails_names_the_line_that_made_it_however_deep() -> None:
    main, product = built_at(depth=30)
    stack = product.get_defining_op().attrs()["op_callstack"]
    assert 2 <= len(stack) <= 2 * FRAMES_KEPT
    feed = dict.fromkeys(("x", "y"), np.ones((3, 4), np.float32))
    with pytest.raises(ValueError, match=r"product = paddle\.matmul"):
        paddle.static.Executor(paddle.CPUPlace()).run(main, feed=feed, fetch_list=[product])


@pytest.mark.parametrize("before", [None, 20])
def test_errors_are_told_with_their_whole_stack_again(before: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if before is not None:
        monkeypatch.setattr(sys, "tracebacklimit", before, raising=False)
    with pytest.raises(KeyError), new_program():
        assert sys.tracebacklimit == FRAMES_KEPT
        raise KeyError
    assert getattr(sys, "tracebacklimit", None) == before
