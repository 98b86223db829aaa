"""Profiling of programs by operator."""

import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import paddle
from paddle.profiler import Profiler, ProfilerTarget


@dataclass(frozen=True)
class OperatorTime:
    """The calls of one operator, on a GPU of one kernel."""

    name: str
    calls: int
    seconds: float


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
