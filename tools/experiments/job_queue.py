"""Commands that run side by side, each until it has succeeded once, and not before the others that it needs."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, write_json

POLL_SECONDS = 0.2
LAST_LINES = 3  # of a failed job's log that are shown


@dataclass(frozen=True)
class Job:
    """A command of `ernie-paddle`, or of another Python module.

    Its record is written to `record` when it has succeeded, and its output to the same name with `.log`. With another
    command or other `settings`, everything that decides what it does, it runs again.

    Attributes:
        name: what it is called, beginning with its phase and a slash.
        needs: names of the jobs that must have succeeded before it begins.
        size: how much work it is beside others of its kind.
        module: the module whose command it is.
    """

    name: str
    command: tuple[str, ...]
    record: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    size: int = 1
    module: str = "ernie_paddle"

    @property
    def phase(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]

    @property
    def log(self) -> Path:
        """The file of the command's output."""
        return self.record.with_suffix(".log")

    @property
    def seconds(self) -> float | None:
        """How long the job took, or None if it must still run."""
        if not self.record.is_file():
            return None
        record = read_json(self.record, "record of a job")
        known = record.get("command") == list(self.command) and record.get("settings") == dict(self.settings)
        return float(record["seconds"]) if known else None


@dataclass
class Running:
    """A job's process, and when it began."""

    job: Job
    process: subprocess.Popen[bytes]
    began: float


def run_jobs(
    jobs: Iterable[Job], workers: int, report: Callable[[str], None], after_each: Callable[[], None] = lambda: None
) -> None:
    """Run the jobs that have not succeeded, `workers` at a time: the first one that has what it needs.

    `after_each` is called whenever jobs have ended.

    Raises:
        UserError: a job failed; no other was begun after it, and the others that ran were let end.
    """
    every = list(jobs)
    done = {job.name for job in every if job.seconds is not None}
    left = [job for job in every if job.name not in done]
    failed: list[str] = []
    with _processes() as running:
        while running or (left and not failed):
            while (
                not failed and len(running) < workers and (ready := [job for job in left if done.issuperset(job.needs)])
            ):
                left.remove(ready[0])
                report(f"{ready[0].name}: begun, {len(left)} left after it")
                running.append(_start(ready[0], workers))
            time.sleep(POLL_SECONDS)
            ended = [process for process in running if process.process.poll() is not None]
            for process in ended:
                running.remove(process)
                if process.process.returncode:
                    failed.append(_failure(process))
                else:
                    _write_record(process)
                    done.add(process.job.name)
                    report(f"{process.job.name}: done in {time.monotonic() - process.began:,.0f} seconds")
            if ended:
                after_each()
    if failed:
        raise UserError("\n".join(failed))


@contextmanager
def _processes() -> Iterator[list[Running]]:
    """Yield a list of processes; those that are in it when the block ends are asked to stop."""
    running = list[Running]()
    try:
        yield running
    finally:
        for job in running:
            job.process.terminate()  # pre-training and fine-tuning then save a checkpoint
        for job in running:
            job.process.wait()


def _start(job: Job, workers: int) -> Running:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, len(os.sched_getaffinity(0)) // workers))
    command = [sys.executable, "-m", job.module, *job.command]
    with open(job.log, "wb") as log:
        log.write(f"python -m {job.module} {shlex.join(job.command)}\n".encode())
        log.flush()
        environment = {**os.environ, "OMP_NUM_THREADS": threads}
        # In a group of its own, so that Ctrl-C reaches it once, by way of `_processes`.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    return Running(job, process, time.monotonic())


def _write_record(ended: Running) -> None:
    job = ended.job
    seconds = time.monotonic() - ended.began
    write_json(job.record, {"command": list(job.command), "settings": dict(job.settings), "seconds": seconds})


def _failure(ended: Running) -> str:
    lines = ended.job.log.read_text(encoding="utf-8", errors="replace").splitlines()[1:][-LAST_LINES:]
    said = " / ".join(line.strip() for line in lines if line.strip()) or "it said nothing"
    return f"{ended.job.name}: failed with exit code {ended.process.returncode}: {said}; see {ended.job.log}"
