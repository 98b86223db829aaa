"""What a check is, and how checks are run."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.check_record import CheckResult, Figure
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.devices import FLASH_CAPABILITY, capability, cpu_supports_bf16, default_place
from ernie_paddle.programs.gpu import Gpu, GpuStandIn
from ernie_paddle.registry import Registry
from ernie_paddle.settings import ImplSettings, Precision
from ernie_paddle.stopping import stop_behind

SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 128, "vocab_size": 1000}
MIDDLE = {"num_hidden_layers": 4, "num_attention_heads": 12, "hidden_size": 768, "vocab_size": 30522}
BASE = {**MIDDLE, "num_hidden_layers": 12}


def model_config(sizes: dict[str, int], dropout: float = 0.0) -> ErnieConfig:
    """Return the config of a model of these sizes, with the other sizes of the paper's."""
    return ErnieConfig(
        **sizes,
        hidden_act="gelu",
        max_position_embeddings=512,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        use_task_id=True,
    )


@dataclass(frozen=True)
class Outcome:
    """What a check found. `passed` is None if there is nothing to judge."""

    passed: bool | None
    figures: dict[str, Figure] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Programs:
    """The programs under check and their device.

    `make` returns their backend: of a precision, the settings and whether attention is FlashAttention. `place` is None
    where programs of a GPU run on the CPU, which tells nothing about a device.
    """

    name: str
    make: Callable[[Precision, ImplSettings, bool], Backend]
    place: Any
    low: tuple[Precision, ...]  # supported besides fp32
    has_flash: bool
    is_gpu: bool

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of the models to check: those that keep the device busy for a moment."""
        return MIDDLE if self.is_gpu else SMALL

    def backend(self, precision: Precision = "fp32", flash: bool = False, **impl: Any) -> Backend:
        """Return the backend in a precision, with settings."""
        return self.make(precision, ImplSettings(**impl), flash)


def cpu_programs() -> Programs:
    """Return the programs that run on CPUs."""
    low: tuple[Precision, ...] = ("bf16",) if cpu_supports_bf16() else ()
    return Programs("CPU", lambda precision, impl, flash: Cpu(precision, impl), Cpu().place, low, False, False)


def stand_in_programs() -> Programs:
    """Return the programs of GPUs, on the CPU."""
    low: tuple[Precision, ...] = ("bf16",) if cpu_supports_bf16() else ()
    return Programs("GPU programs on the CPU", GpuStandIn, None, low, True, False)


def gpu_programs(place: Any) -> Programs:
    """Return the programs of a GPU."""
    has = capability(place)
    low: tuple[Precision, ...] = ("bf16", "fp16") if has >= 8 else ("fp16",) if has >= 7 else ()

    def make(precision: Precision, impl: ImplSettings, flash: bool) -> Backend:
        return Gpu(precision, impl, place, flash)

    return Programs(f"GPU {place.get_device_id()}", make, place, low, has >= FLASH_CAPABILITY, True)


def programs_of_this_machine() -> tuple[Programs, ...]:
    """Return the programs to check: those of the GPU, or else of the CPU, and a GPU's on the CPU."""
    place = default_place()
    return (cpu_programs(), stand_in_programs()) if place.is_cpu_place() else (gpu_programs(place),)


@dataclass(frozen=True)
class Bench:
    """What checks get besides the programs: a folder to work in, the number of ranks, and what plug-ins added."""

    registry: Registry
    folder: Path
    ranks: int = 1


@dataclass(frozen=True)
class Check:
    """One check.

    `protects_from` names the mistake that it finds, and `fallback` what is to be done, or is done, if it fails.
    `applies` returns why it does not apply to some programs, empty if it does. If a `required` check fails, so does the
    command.
    """

    number: int
    name: str
    protects_from: str
    fallback: str
    run: Callable[[Programs, Bench], Outcome]
    applies: Callable[[Programs, Bench], str] = lambda programs, bench: ""
    required: bool = True


def on_devices(programs: Programs, bench: Bench) -> str:
    """For checks that tell something of a device."""
    return "" if programs.place is not None else "not of a device"


def on_gpus(programs: Programs, bench: Bench) -> str:
    """For checks of GPUs."""
    return "" if programs.is_gpu else "needs a GPU"


def of_gpu_programs(programs: Programs, bench: Bench) -> str:
    """For checks of what only the programs of GPUs have."""
    return "" if programs.is_gpu or programs.place is None else "not in the programs of CPUs"


def run_checks(
    checks: Sequence[Check], every: Iterable[Programs], bench: Bench, report: Callable[[str], None]
) -> Iterator[tuple[Check, CheckResult]]:
    """Run the checks for all programs, and yield their results. An error in a check is its failure.

    Calls `report` with the name of each check before it runs.
    """
    for programs in every:
        for check in checks:
            reason = check.applies(programs, bench)
            if reason and programs.place is None:
                continue  # the line of the device says so
            report(f"{check.number} {check.name}, {programs.name}" + (f": not run, {reason}" if reason else ""))
            began = time.perf_counter()
            outcome = Outcome(None, note=f"not run: {reason}") if reason else _outcome(check, programs, bench)
            yield (
                check,
                CheckResult(
                    number=check.number,
                    name=check.name,
                    programs=programs.name,
                    passed=outcome.passed,
                    required=check.required,
                    figures=outcome.figures,
                    note=outcome.note,
                    seconds=round(time.perf_counter() - began, 2),
                ),
            )


def _outcome(check: Check, programs: Programs, bench: Bench) -> Outcome:
    try:
        return check.run(programs, bench)
    except Exception as error:
        if stop_behind(error):
            raise
        return Outcome(False, note=f"{type(error).__name__}: {' '.join(str(error).split())[-400:]}")
