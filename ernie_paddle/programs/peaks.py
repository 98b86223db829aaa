"""The speed of matrix products at which a device can do no better."""

import re
import time
from dataclasses import dataclass

import paddle

from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.building import new_program
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.settings import Precision

TERA = 1e12
SIZE, PRODUCTS, ROUNDS = 2048, 2, 5  # of the matrices, and of the measurement on a CPU


@dataclass(frozen=True)
class PeakFlops:
    """Dense products of a GPU in 10^12 floating-point operations a second, None where it has no units for them."""

    fp32: float
    fp16: float
    bf16: float | None = None
    tf32: float | None = None


# By the words of the device's name, from NVIDIA's data sheets: dense, with accumulation in fp32, at boost clock.
PEAKS = {
    "V100": PeakFlops(15.7, 125.0),
    "V100 PCIE": PeakFlops(14.0, 112.0),
    "T4": PeakFlops(8.1, 65.0),
    "A100": PeakFlops(19.5, 312.0, 312.0, 156.0),
    "A800": PeakFlops(19.5, 312.0, 312.0, 156.0),
    "A10": PeakFlops(31.2, 125.0, 125.0, 62.5),
    "A30": PeakFlops(10.3, 165.0, 165.0, 82.0),
    "A40": PeakFlops(37.4, 149.7, 149.7, 74.8),
    "L4": PeakFlops(30.3, 121.0, 121.0, 60.0),
    "L40S": PeakFlops(91.6, 362.0, 362.0, 183.0),
    "H100": PeakFlops(67.0, 989.0, 989.0, 494.0),
    "H100 PCIe": PeakFlops(51.0, 756.0, 756.0, 378.0),
    "H200": PeakFlops(67.0, 989.0, 989.0, 494.0),
    "H800": PeakFlops(67.0, 989.0, 989.0, 494.0),
}


def peak_flops(backend: Backend) -> float | None:
    """Return the floating-point operations a second of the backend's device in its precision, None if unknown.

    That of a GPU is looked up by its name, that of a CPU is measured.
    """
    if isinstance(backend, Cpu):
        return measured_flops(backend)
    if backend.place.is_cpu_place():
        return None
    name = paddle.device.cuda.get_device_name(backend.place.get_device_id())
    return published_flops(name, backend.precision)


def published_flops(device: str, precision: Precision) -> float | None:
    """Return the published peak of a GPU, None if it is not in the table or lacks the precision."""
    words = set(re.split(r"[\s_-]+", device.upper()))
    known = [name for name in PEAKS if words >= set(name.upper().split())]
    if not known:
        return None
    tera = getattr(PEAKS[max(known, key=len)], precision)
    return None if tera is None else tera * TERA


def measured_flops(backend: Backend) -> float:
    """Measure large matrix products on the CPU; return the floating-point operations a second of the fastest round."""
    with new_program() as main:
        x = backend.low(paddle.full([SIZE, SIZE], 1 / SIZE))
        for _ in range(PRODUCTS):
            x = paddle.matmul(x, x)
        largest = paddle.max(paddle.cast(x, "float32"))
    executor, seconds = paddle.static.Executor(backend.place), []
    for _ in range(1 + ROUNDS):  # the first one also prepares the program
        began = time.perf_counter()
        executor.run(main, fetch_list=[largest])
        seconds.append(time.perf_counter() - began)
    return PRODUCTS * 2 * SIZE**3 / min(seconds[1:])
