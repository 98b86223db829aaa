"""Processes that checks start: the ranks of a job on this machine, as `tools/launch.sh` starts them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.02
Job = list["subprocess.Popen[bytes]"]


@contextmanager
def started_job(command: Sequence[object], ranks: int, folder: Path) -> Iterator[Job]:
    """Start the ranks of a Python command. Each writes its output to `rank.<rank>.log` in the folder.

    Those that still run at the end of the block are killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    threads = max(1, len(os.sched_getaffinity(0)) // ranks)
    shared = {"PADDLE_MASTER": f"127.0.0.1:{_free_port()}", "PADDLE_TRAINERS_NUM": str(ranks)}
    shared |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
    job: Job = []
    try:
        for rank in range(ranks):
            own = {"PADDLE_TRAINER_ID": str(rank), "PADDLE_LOCAL_RANK": str(rank)}
            with open(folder / f"rank.{rank}.log", "ab") as log:
                job.append(
                    subprocess.Popen(
                        [sys.executable, *map(str, command)],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env={**os.environ, **shared, **own},
                        start_new_session=True,  # Ctrl-C goes to the check alone, which ends them
                    )
                )
        yield job
    finally:
        for process in job:
            if process.poll() is None:
                process.kill()
            process.wait()


def wait(job: Job, seconds: float) -> list[int | None]:
    """Wait until all processes have ended, at most this long; return their exit codes, None for those that run."""
    until = time.monotonic() + seconds
    while any(process.poll() is None for process in job) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    return [process.poll() for process in job]


def wait_for_lines(path: Path, lines: int, job: Job, seconds: float) -> bool:
    """Wait until a file has so many lines, while all processes run; return whether it has."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and all(process.poll() is None for process in job):
        if path.exists() and len(path.read_bytes().splitlines()) >= lines:
            return True
        time.sleep(POLL_SECONDS)
    return False


def last_line(folder: Path, rank: int) -> str:
    """Return the last line that a rank has written."""
    lines = (folder / f"rank.{rank}.log").read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "nothing was written")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
