"""The building blocks of programs: inputs, parameters and gradient buffers as Values."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import paddle
from paddle.pir.core import create_persistable_value

from ernie_paddle.data.feeds import Feed
from ernie_paddle.programs.variables import GRADIENT_SUFFIX, ParameterSpec
from ernie_paddle.settings import Precision


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
    ):
        warnings.filterwarnings("ignore", message="Tensor do not have 'place'")  # from Paddle's own dynamic shapes
        yield main


def low_precision(precision: Precision) -> AbstractContextManager[None]:
    """Build matrix products in bf16 or fp16 inside the block (autocast, level O1)."""
    if precision == "fp32":
        return nullcontext()
    return paddle.amp.auto_cast(dtype="bfloat16" if precision == "bf16" else "float16", level="O1")


def count_products(main: Any) -> tuple[int, int]:
    """Count the matrix products of a program without those of gradients, and how many are in low precision."""
    products = [operator for operator in main.global_block().ops if operator.name() == "pd_op.matmul"]
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


def column_of_ones(x: Any) -> Any:
    """Return ones [rows of x, 1]; their product with a bias [1, size] adds it in training."""
    ones = paddle.ones([paddle.shape(x)[0], 1], "float32")
    ones.stop_gradient = False  # oneDNN's gradient of a product crashes where an input needs none
    return ones


def gradient_buffer(spec: ParameterSpec) -> Any:
    """Declare the buffer that accumulates a parameter's gradients over micro-batches and tasks; return its Value."""
    return persistent_variable(spec.name + GRADIENT_SUFFIX, spec.shape)


def persistent_variable(name: str, shape: tuple[int, ...]) -> Any:
    """Declare a float32 variable that keeps its value between runs; return its Value in the current program."""
    zero = paddle.nn.initializer.Constant(0.0)
    value = create_persistable_value(dtype="float32", shape=list(shape), name=name, initializer=zero)
    value.stop_gradient = True
    return value
