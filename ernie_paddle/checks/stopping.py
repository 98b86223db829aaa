"""Checks of jobs whose ranks die, hang or are asked to stop."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ernie_paddle import testing
from ernie_paddle.checks.check import Bench, Check, Outcome, Programs, on_devices
from ernie_paddle.checks.jobs import Job, last_line, started_job, wait, wait_for_lines
from ernie_paddle.checks.sums import several_ranks
from ernie_paddle.data.spans import SPANS
from ernie_paddle.files import write_json
from ernie_paddle.model import saved
from ernie_paddle.programs.check_record import Figure
from ernie_paddle.stopping import EXIT_CODES
from ernie_paddle.training import checkpoint
from ernie_paddle.training.log_file import LOG_FILE

SIZES = {"hidden_size": 64, "num_hidden_layers": 2}
STEPS = 60
RECORDS_BEFORE = 5  # steps in the log before something happens
END_SECONDS, START_SECONDS = 60.0, 240.0
HUNG_SECONDS = 15.0  # impl.step_seconds
STATE_ERROR = 1e-6  # of a resumed run on a GPU against one that was not stopped; on a CPU they are equal


def write_plan(bench: Bench, steps: int) -> Path:
    """Write a plan with a toy model and toy shards of a task over the vocabulary; return its path."""
    folder = bench.folder / f"plan_{steps}"
    task = next(task for task in bench.registry.pretraining_tasks if task.objective.predicts_tokens)
    vocabulary = testing.toy_vocabulary()
    shards = testing.write_toy_shards(folder / "shards", {task.name: SPANS}, vocabulary)
    model = testing.write_toy_model(folder / "model.json", vocabulary.size, **SIZES)
    plan = testing.toy_plan(model, shards, [task.name], steps)
    plan["train"] |= {"accumulation": bench.ranks, "batch_tokens": 512}
    plan["impl"] = {"logging_steps": 1, "save_steps": 10 * steps, "step_seconds": HUNG_SECONDS, "repeatable": True}
    write_json(folder / "plan.yaml", plan)  # JSON is YAML too
    return folder / "plan.yaml"


def dead_and_hung_ranks(programs: Programs, bench: Bench) -> Outcome:
    """Kill a rank of a job, and halt one of another: the other ranks must end, with an error."""
    figures: dict[str, Figure] = {}
    notes = []
    for name, number, patience in (("killed", signal.SIGKILL, 0.0), ("halted", signal.SIGSTOP, HUNG_SECONDS)):
        plan, out = write_plan(bench, 100_000), bench.folder / name
        with started_job(_pretrain(plan, out), bench.ranks, out / "ranks") as job:
            if not wait_for_lines(out / LOG_FILE, RECORDS_BEFORE, job, START_SECONDS):
                return Outcome(False, figures, f"the job did not start: {last_line(out / 'ranks', 0)[-300:]}")
            os.kill(job[-1].pid, number)
            began = time.monotonic()
            codes = wait(job[:-1], END_SECONDS + patience)
            figures[f"s after one was {name}"] = round(time.monotonic() - began, 1)
        if not all(codes):  # None, or 0
            notes.append(f"after one was {name}, the others had the exit codes {codes}")
    return Outcome(not notes, figures, "; ".join(notes))


def asked_to_stop(programs: Programs, bench: Bench) -> Outcome:
    """Send SIGTERM in a step, resume, and compare with a run that was not stopped."""
    plan, out, whole = write_plan(bench, STEPS), bench.folder / "stopped", bench.folder / "not_stopped"
    with started_job(_pretrain(plan, out), bench.ranks, out / "ranks") as job:
        if not wait_for_lines(out / LOG_FILE, RECORDS_BEFORE, job, START_SECONDS):
            return Outcome(False, note=f"the job did not start: {last_line(out / 'ranks', 0)[-300:]}")
        seconds, codes = _stop(job)
    if codes != [EXIT_CODES[signal.SIGTERM]] * bench.ranks:
        return Outcome(False, {"exit codes": str(codes)}, last_line(out / "ranks", 0)[-300:])
    complete = checkpoint.newest_complete(out, report=lambda line: None)
    if (
        complete is None
        or _run([*_pretrain(plan, out), "--resume"], bench, out)
        or _run(_pretrain(plan, whole), bench, whole)
    ):
        return Outcome(False, note="no complete checkpoint, or a run that ended with an error")
    difference = max(
        float(np.abs(value - other).max()) for value, other in zip(_state(out), _state(whole), strict=True)
    )
    figures: dict[str, Figure] = {"s to save and end": round(seconds, 1), "checkpoint": complete.name}
    figures["difference of the resumed run"] = difference
    return Outcome(difference <= (STATE_ERROR if programs.is_gpu else 0.0), figures)


def _pretrain(plan: Path, out: Path) -> list[object]:
    return ["-m", "ernie_paddle", "pretrain", plan, "--out", out]


def _stop(job: Job) -> tuple[float, list[int | None]]:
    began = time.monotonic()
    for process in job:
        process.terminate()
    codes = wait(job, END_SECONDS)
    return time.monotonic() - began, codes


def _run(command: Sequence[object], bench: Bench, out: Path) -> bool:
    """Run a job to its end; return whether a rank failed."""
    with started_job(command, bench.ranks, out / "ranks") as job:
        return wait(job, START_SECONDS) != [0] * bench.ranks


def _state(run: Path) -> list[np.ndarray]:
    folder = saved.checkpoints(run)[-1]
    tensors = saved.load_tensors(folder / saved.MODEL_FILE) | saved.load_tensors(folder / saved.OPTIMIZER_FILE)
    return [tensors[name] for name in sorted(tensors)]


CHECKS = (
    Check(
        11,
        "dead and hung ranks",
        "jobs that wait forever for a rank",
        "nothing: watch the log, end the job yourself",
        dead_and_hung_ranks,
        several_ranks,
    ),
    Check(
        12,
        "SIGTERM in a step",
        "checkpoints that are cut off, runs that resume elsewhere",
        "nothing: save often (impl.save_steps)",
        asked_to_stop,
        on_devices,
    ),
)
