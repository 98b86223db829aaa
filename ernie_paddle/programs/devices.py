"""The device of this process and the precisions it supports."""

import functools
import os
from typing import Any

import paddle

from ernie_paddle.errors import UserError
from ernie_paddle.programs.building import new_program
from ernie_paddle.settings import Precision


def default_place() -> Any:
    """The GPU that the launcher gave this process, else the first, where Paddle was built for GPUs; else the CPU."""
    if not paddle.is_compiled_with_cuda():
        return paddle.CPUPlace()
    given = os.environ.get("FLAGS_selected_gpus", "0")  # noqa: SIM112 - Paddle's launcher names it so
    return paddle.CUDAPlace(int(given.split(",")[0]))


def cpu_threads() -> int:
    """The threads that Paddle computes with on the CPU: the caller's OMP_NUM_THREADS, or the cores of this process."""
    return int(os.environ["OMP_NUM_THREADS"])


def check_precision(precision: Precision, place: Any, option: str = "train.precision") -> None:
    """Check that the device supports the requested precision of matrix products; `option` begins the error.

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

    Paddle answers for the hardware; oneDNN may be limited further (`ONEDNN_MAX_CPU_ISA`), so a small product is tried.
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
