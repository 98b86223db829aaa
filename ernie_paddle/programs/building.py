"""The building blocks of programs: inputs, parameters and gradient buffers as Values."""

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import paddle
from paddle.pir.core import create_persistable_value

from ernie_paddle.data.feeds import Feed
from ernie_paddle.programs.variables import ParameterSpec

FRAMES_KEPT = 6  # of the Python stack, with each operator, for the message if it fails
PRODUCTS = ("pd_op.matmul", "pd_op.fused_gemm_epilogue")


@contextmanager
def new_program() -> Iterator[Any]:
    """Build a program inside the block. Generated names start afresh, so they are the same in all programs.

    The start-up program is discarded, since a second one would initialise shared parameters again. `Variables` creates
    and fills the variables instead.
    """
    main = paddle.static.Program()
    with (
        paddle.static.program_guard(main, paddle.static.Program()),
        paddle.utils.unique_name.guard(),
        warnings.catch_warnings(),
        _short_stacks(),
    ):
        warnings.filterwarnings("ignore", message="Tensor do not have 'place'")  # from Paddle's own dynamic shapes
        yield main


@contextmanager
def _short_stacks() -> Iterator[None]:
    """Keep the innermost frames alone of the stack that Paddle stores with each operator.

    Looking up the source line of each frame takes a quarter of the time of building a program, and half under pytest.
    """
    before = getattr(sys, "tracebacklimit", None)
    sys.tracebacklimit = FRAMES_KEPT
    try:
        yield
    finally:
        if before is None:
            del sys.tracebacklimit
        else:
            sys.tracebacklimit = before


def count_products(main: Any) -> tuple[int, int]:
    """Count the matrix products of a program without those of gradients, and how many are in low precision."""
    products = [operator for operator in main.global_block().ops if operator.name() in PRODUCTS]
    low = [product for product in products if product.operand_source(0).dtype in (paddle.bfloat16, paddle.float16)]
    return len(products), len(low)


def operator_ids() -> set[int]:
    """Return the ids of the current program's operators."""
    return {operator.id() for operator in paddle.static.default_main_program().global_block().ops}


def declare_inputs(feeds: Sequence[Feed]) -> dict[str, Any]:
    """Declare the feeds in the current program; return their Values by name."""
    return {feed.name: paddle.static.data(feed.name, list(feed.shape), feed.dtype) for feed in feeds}


def declare_parameter(spec: ParameterSpec) -> Any:
    """Declare the parameter in the current program; return its Value."""
    placeholder = paddle.ParamAttr(name=spec.name, initializer=paddle.nn.initializer.Constant(0.0))
    return paddle.static.create_parameter(list(spec.shape), "float32", name=spec.name, attr=placeholder)


def persistent_variable(name: str, shape: tuple[int, ...]) -> Any:
    """Declare a float32 variable that keeps its value between runs; return its Value in the current program."""
    zero = paddle.nn.initializer.Constant(0.0)
    value = create_persistable_value(dtype="float32", shape=list(shape), name=name, initializer=zero)
    value.stop_gradient = True
    return value


def cast(x: Any, dtype: Any) -> Any:
    """Cast x, unless it has the dtype."""
    return x if x.dtype == dtype else paddle.cast(x, dtype)


def remove_unread(main: Any, values: Iterable[Any]) -> None:
    """Remove the operators of Values that no operator reads, and those that only they read."""
    for value in values:
        operator = value.get_defining_op()
        if operator is not None and not any(result.all_used_ops() for result in operator.results()):
            sources = operator.operands_source()
            main.global_block().remove_op(operator)
            remove_unread(main, sources)
