"""The device of this process and the precisions it supports."""

import functools
import os
from typing import Any

import paddle

from ernie_paddle.errors import UserError
from ernie_paddle.programs.building import new_program
from ernie_paddle.settings import Precision


def default_place() -> Any:
    """Return the GPU that the launcher assigned, or the first one; the CPU if Paddle was built without CUDA."""
    if not paddle.is_compiled_with_cuda():
        return paddle.CPUPlace()
    assigned = os.environ.get("FLAGS_selected_gpus", "0")  # noqa: SIM112 - Paddle's launcher names it so
    return paddle.CUDAPlace(int(assigned.split(",")[0]))


def check_precision(precision: Precision, place: Any, option: str = "train.precision") -> None:
    """Check that the device supports the requested precision of matrix products. The error begins with `option`.

    Raises:
        UserError: it does not.
    """
    if precision == "fp32" or not place.is_cpu_place():
        return
    if precision == "fp16" or not cpu_supports_bf16():
        raise UserError(
            f"{option}: {precision} needs a GPU" + (" or a CPU with AVX-512" if precision == "bf16" else "")
        )


@functools.cache
def cpu_supports_bf16() -> bool:
    """Return whether this process can multiply bf16 matrices on the CPU.

    Paddle reports what the hardware supports. `ONEDNN_MAX_CPU_ISA` may limit oneDNN further, so this tries a product.
    """
    if not paddle.base.core.supports_bfloat16():
        return False
    with new_program() as main:
        ones = paddle.ones([8, 8], "bfloat16")
        product = paddle.cast(paddle.matmul(ones, ones), "float32")
    try:
        return float(paddle.static.Executor(paddle.CPUPlace()).run(main, fetch_list=[product])[0].max()) == 8
    except RuntimeError:
        return False
