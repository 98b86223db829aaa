"""What every program is made of: inputs, parameters and gradient buffers as Values."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import paddle
from paddle.pir.core import create_persistable_value

from ernie_paddle.programs.variables import GRADIENT_SUFFIX, ParameterSpec
from ernie_paddle.settings import Precision
from ernie_paddle.task import Feed


@contextmanager
def new_program() -> Iterator[Any]:
    """Build a program inside the block; names are fresh, so that they are equal in all programs.

    The start-up program is thrown away: variables are created and filled through `Variables`, since a
    second start-up program would fill shared parameters anew.
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
    """Within it, matrix products are built in bf16 or fp16 and what needs range stays fp32 (autocast, level O1)."""
    if precision == "fp32":
        return nullcontext()
    return paddle.amp.auto_cast(dtype="bfloat16" if precision == "bf16" else "float16", level="O1")


def count_products(main: Any) -> tuple[int, int]:
    """How many matrix products a program holds, gradients left out, and how many of them in low precision."""
    products = [operator for operator in main.global_block().ops if operator.name() == "pd_op.matmul"]
    low = [one for one in products if one.operand_source(0).dtype in (paddle.bfloat16, paddle.float16)]
    return len(products), len(low)


def operators_so_far() -> set[int]:
    """Ids of the current program's operators."""
    return {operator.id() for operator in paddle.static.default_main_program().global_block().ops}


def declare_inputs(feeds: Sequence[Feed]) -> dict[str, Any]:
    """The feeds as Values of the current program, by name."""
    return {feed.name: paddle.static.data(feed.name, list(feed.shape), feed.dtype) for feed in feeds}


def declare_parameter(spec: ParameterSpec) -> Any:
    """The parameter as a Value of the current program."""
    placeholder = paddle.ParamAttr(name=spec.name, initializer=paddle.nn.initializer.Constant(0.0))
    return paddle.static.create_parameter(list(spec.shape), "float32", name=spec.name, attr=placeholder)


def column_of_ones(x: Any) -> Any:
    """Ones [rows of x, 1]: times a bias [1, size] they add it in training."""
    ones = paddle.ones([paddle.shape(x)[0], 1], "float32")
    ones.stop_gradient = False  # oneDNN's gradient of a product crashes where an input needs none
    return ones


def gradient_buffer(spec: ParameterSpec) -> Any:
    """The buffer that collects a parameter's gradients over micro-batches and tasks."""
    return kept_value(spec.name + GRADIENT_SUFFIX, spec.shape)


def kept_value(name: str, shape: tuple[int, ...]) -> Any:
    """A float32 value that stays in the scope from run to run, as a Value of the current program."""
    zero = paddle.nn.initializer.Constant(0.0)
    value = create_persistable_value(dtype="float32", shape=list(shape), name=name, initializer=zero)
    value.stop_gradient = True
    return value
