"""Profiling of programs by operator, and counts of their operators."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import paddle
from paddle.profiler import Profiler, ProfilerTarget

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.backend import DTYPES, Backend
from ernie_paddle.programs.task_program import build_task_program
from ernie_paddle.programs.update_program import build_update_program
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import AdamSettings, SumPrecision
from ernie_paddle.task import Task

SUM_BYTES: dict[SumPrecision, int] = {"fp32": 4, "bf16": 2}
# Operators that start no work on the device: declarations, constants for the host, and lists of Values. Reshapes are
# not among them: whether they copy depends on Paddle's passes.
NOT_LAUNCHED = frozenset(
    (
        *("builtin.parameter", "builtin.combine", "builtin.split", "builtin.slice"),
        *("pd_op.data", "pd_op.full", "pd_op.full_int_array", "pd_op.shape64"),
    )
)


@dataclass(frozen=True)
class OperatorTime:
    """The calls of one operator, on a GPU of one kernel."""

    name: str
    calls: int
    seconds: float


@dataclass(frozen=True)
class OperatorCount:
    """The number of operators, and of those that launch work on the device."""

    operators: int
    launches: int

    @classmethod
    def of(cls, main: Any) -> "OperatorCount":
        """Count the operators of a program."""
        names = [operator.name() for operator in main.global_block().ops]
        return cls(len(names), sum(name not in NOT_LAUNCHED for name in names))


@dataclass(frozen=True)
class StepCost:
    """What a step costs besides arithmetic.

    `task` and `update` count the operators of its two programs. `summed_bytes` is the size of the gradients that ranks
    sum, 0 if there is one rank.
    """

    task: OperatorCount
    update: OperatorCount
    summed_bytes: int

    def launches(self, micro_batches: int) -> int:
        """Return how often a step of these micro-batches launches work on the device, at most."""
        return micro_batches * self.task.launches + self.update.launches


def step_cost(
    config: ErnieConfig,
    tasks: Sequence[Task],
    backend: Backend,
    adam: AdamSettings,
    ranks: Ranks,
    gradient_sums: SumPrecision = "fp32",
) -> StepCost:
    """Count what a step of these tasks costs, in programs that are built for this and never run."""
    program = build_task_program(config, tasks, True, backend)
    update = build_update_program(program.groups, adam, ranks, backend, DTYPES[gradient_sums])
    values = sum(prod(group.shape) for group in program.groups) if ranks.world > 1 else 0
    return StepCost(OperatorCount.of(program.main), OperatorCount.of(update.main), values * SUM_BYTES[gradient_sums])


def operator_times(run: Callable[[], None]) -> list[OperatorTime]:
    """Profile `run`; return the calls and the time of each operator, longest first."""
    targets, kind = [ProfilerTarget.CPU], "Operator"
    if paddle.device.cuda.device_count():
        targets, kind = [*targets, ProfilerTarget.GPU], "Kernel"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler = Profiler(targets=targets, on_trace_ready=lambda done: done.export(str(path), format="json"))
        with profiler:
            run()
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    times: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == kind and event.get("ph") == "X":
            times[re.sub(r"\[.*", "", event["name"])].append(event["dur"] / 1e6)
    totals = [OperatorTime(name, len(seconds), sum(seconds)) for name, seconds in times.items()]
    return sorted(totals, key=lambda operator: -operator.seconds)
