"""The device of this process, its backend, and the precisions that it supports."""

import functools
from typing import Any

import paddle

from ernie_paddle.console import open_console
from ernie_paddle.errors import UserError
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.building import new_program
from ernie_paddle.programs.check_record import why_not_flash
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.gpu import Gpu
from ernie_paddle.ranks import Ranks, local_rank
from ernie_paddle.settings import ImplSettings, Precision

NEEDED_CAPABILITY: dict[Precision, int] = {"fp32": 0, "fp16": 7, "tf32": 8, "bf16": 8}
FLASH_CAPABILITY = 8


def choose_backend(precision: Precision, impl: ImplSettings) -> Backend:
    """Return the backend of this process's device: a GPU if there is one.

    Raises:
        UserError: the device does not support the precision or the attention.
    """
    place = default_place()
    check_precision(precision, place)
    flash = uses_flash(precision, impl, place)
    return Cpu(precision, impl) if place.is_cpu_place() else Gpu(precision, impl, place, flash)


def default_place() -> Any:
    """Return the GPU of this process, or the CPU if there is none.

    A process that is the n-th on its machine takes the n-th of the visible GPUs.
    """
    gpus = paddle.device.cuda.device_count()
    return paddle.CUDAPlace(local_rank() % gpus) if gpus else paddle.CPUPlace()


def check_precision(precision: Precision, place: Any, option: str = "train.precision") -> None:
    """Check that the device supports the requested precision of matrix products. The error begins with `option`.

    Raises:
        UserError: it does not.
    """
    if not place.is_cpu_place():
        needed, found = NEEDED_CAPABILITY[precision], capability(place)
        if found < needed:
            advice = "fp16 or fp32" if found >= NEEDED_CAPABILITY["fp16"] else "fp32"
            raise UserError(
                f"{option}: {precision} needs a GPU of compute capability {needed}, this one has {found}; take {advice}"
            )
    elif precision in ("fp16", "tf32") or (precision == "bf16" and not cpu_supports_bf16()):
        raise UserError(
            f"{option}: {precision} needs a GPU" + (" or a CPU with AVX-512" if precision == "bf16" else "")
        )


def uses_flash(precision: Precision, impl: ImplSettings, place: Any) -> bool:
    """Resolve `impl.attention`; return whether FlashAttention is used.

    `automatic` takes it where `ernie-paddle check` has found it right with this GPU, driver and Paddle.

    Raises:
        UserError: FlashAttention is requested but cannot run.
    """
    if impl.attention == "flash" and impl.repeatable:
        raise UserError("impl.attention: flash does not repeat bit by bit; leave it out, or impl.repeatable")
    if impl.attention == "padded" or impl.repeatable:
        return False
    supported = precision in ("bf16", "fp16") and place.is_gpu_place() and capability(place) >= FLASH_CAPABILITY
    if impl.attention == "flash" and not supported:
        raise UserError(
            f"impl.attention: flash needs a GPU of compute capability {FLASH_CAPABILITY} and train.precision bf16 or "
            "fp16"
        )
    if impl.attention == "automatic" and supported and (reason := why_not_flash(place)):
        console = open_console(stderr=True, quiet=not Ranks.of_this_process().is_main_process)
        console.print(
            f"impl.attention: padded, which is slower than flash: {reason}; impl.attention=flash is obeyed anyway",
            soft_wrap=True,
        )
        return False
    return supported


def capability(place: Any) -> int:
    """Return the compute capability of a GPU, without its minor number."""
    return int(paddle.device.cuda.get_device_capability(place.get_device_id())[0])


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
