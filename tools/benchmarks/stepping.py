"""Processes that run one step at a time on request, and report the time it took.

Peers take turns step by step, so that other load on the machine affects all of them equally. Only the standard library
is used here, because peers run in different environments.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

READY = "ready"


def serve(step: Callable[[int], int]) -> None:
    """Answer each line `n` on standard input with the tokens that `step(n)` returns and the seconds that it took."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries goes to standard error
    print(READY, file=replies, flush=True)
    for line in sys.stdin:
        began, cpu_began = time.perf_counter(), time.process_time()
        tokens = step(int(line))
        done = Step(tokens, time.perf_counter() - began, time.process_time() - cpu_began)
        print(json.dumps(done), file=replies, flush=True)


class Step(NamedTuple):
    """The tokens of a step without padding, its duration, and the time that the process had a CPU, in seconds."""

    tokens: int
    seconds: float
    cpu_seconds: float


class Peer:
    """A process that runs `serve`, controlled from outside."""

    def __init__(self, name: str, python: str, script: Path, *arguments: str):
        self.name = name
        self._process = subprocess.Popen(
            [python, str(script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._read() != READY:
            sys.exit(f"{name}: did not start, see above")

    def step(self, number: int) -> Step:
        """Run a step."""
        assert self._process.stdin
        print(number, file=self._process.stdin, flush=True)
        return Step(*json.loads(self._read() or sys.exit(f"{self.name}: ended, see above")))

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()
