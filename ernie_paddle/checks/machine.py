"""What a device, its driver and Paddle are, and the flags that decide what runs."""

import os
import platform
import sys

import numpy as np
import paddle

from ernie_paddle import __version__
from ernie_paddle.checks.check import Bench, Check, Outcome, Programs, on_devices
from ernie_paddle.programs.check_record import DeviceIdentity, Figure
from ernie_paddle.programs.devices import capability

FLAGS = ("FLAGS_use_mkldnn", "FLAGS_enable_pir_in_executor_trace_run", "FLAGS_embedding_deterministic")
# Variables that change what runs. None of them holds a name or a secret.
VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "NVIDIA_TF32_OVERRIDE", "ONEDNN_MAX_CPU_ISA"),
    *("NCCL_DEBUG", "NCCL_IB_DISABLE", "NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE"),
)


def environment(programs: Programs) -> dict[str, Figure]:
    """Return versions, the device, and the flags and variables that change what runs."""
    programs.backend()  # which sets the flags
    identity = DeviceIdentity.of(programs.place)
    figures: dict[str, Figure] = {
        **identity.model_dump(),
        "ernie-paddle": __version__,
        "paddle commit": paddle.version.commit,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "CPUs": len(os.sched_getaffinity(0)),
        "GPUs": paddle.device.cuda.device_count(),
        "precisions": ", ".join(("fp32", *programs.low)),
    }
    figures |= {name: _flag(name) for name in FLAGS}
    figures |= {name: os.environ[name] for name in VARIABLES if name in os.environ}
    if programs.is_gpu:
        device = programs.place.get_device_id()
        figures |= {
            "capability": capability(programs.place),
            "memory": paddle.device.cuda.get_device_properties(device).total_memory,
            "built for": ", ".join(paddle.version.cuda_archs()),
            "cuDNN": str(paddle.version.cudnn()),
            "NCCL": str(paddle.version.nccl()),
        }
    return figures


def _flag(name: str) -> str:
    try:
        return str(paddle.get_flags(name)[name])
    except ValueError:
        return "not in this wheel"


def device_and_flags(programs: Programs, bench: Bench) -> Outcome:
    """Tell what runs here. A GPU must be seen by its wheel, and oneDNN must be used on CPUs only."""
    figures = environment(programs)
    notes = []
    if paddle.is_compiled_with_cuda() and not programs.is_gpu:
        notes.append("this Paddle is for GPUs, but sees none: check the driver and CUDA_VISIBLE_DEVICES")
    if (figures["FLAGS_use_mkldnn"] == "True") == programs.is_gpu:
        notes.append("oneDNN is used on a GPU, or not on a CPU: unset FLAGS_use_mkldnn")
    if sys.byteorder != "little":
        notes.append("this machine is big-endian; files of models are not")
    return Outcome(not notes, {name: figures[name] for name in ("device", "driver", "wheel")}, "; ".join(notes))


CHECKS = (
    Check(
        1,
        "device and flags",
        "a GPU that Paddle does not see, kernels of the CPU in a GPU's programs",
        "nothing: mend what is named",
        device_and_flags,
        on_devices,
    ),
)
