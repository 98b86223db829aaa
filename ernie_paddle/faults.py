"""Faults of memory and devices, as one line each.

Paddle raises `MemoryError` where memory is full, `OSError` for an error of CUDA, cuBLAS, cuDNN or NCCL, and
`RuntimeError` or `SystemError` where it wraps one (`paddle/fluid/pybind/exception.cc` of Paddle 3.3).
"""

import re
import resource
from pathlib import Path

from ernie_paddle.errors import Failure, UserError

FULL = re.compile(r"out of memory|_ALLOC_FAILED|ResourceExhaustedError", re.IGNORECASE)
FULL_DEVICE = re.compile(r"Cannot allocate .* memory on (GPU \d+), .* available memory is only [\d.]+\w+")
DEVICE = re.compile(r"\b(CUDA|CUBLAS|CUBLASLT|CUDNN|CURAND|CUSOLVER|CUSPARSE|NCCL) error.*", re.IGNORECASE)


def fault_behind(error: BaseException, where: str = "") -> UserError | Failure | None:
    """Return the full memory or failed device behind an error, as one line; None if it is something else.

    `where` says when it happened, such as " at step 7".
    """
    text = str(error)
    device = DEVICE.search(text)
    if isinstance(error, MemoryError) or FULL.search(text):
        full = FULL_DEVICE.search(text)
        if full or device:
            memory, use = f"the memory of {full[1] if full else 'the GPU'}", (full or device or text)[0]
        else:
            memory, use = "memory", f"{resident_bytes() / 1e9:.1f} GB in use by this process"
        return UserError(
            f"{memory} is full{where} ({use}); take smaller batches (train.batch_tokens or train.batch_samples), or "
            "impl.recompute=true"
        )
    if device and isinstance(error, OSError | RuntimeError | SystemError):
        return Failure(f"the device failed{where}: {device[0].strip()}")
    return None


def resident_bytes() -> int:
    """Return the memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
