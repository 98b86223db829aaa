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

READY = "ready"


def serve(step: Callable[[int], int]) -> None:
    """Answer each line `n` on standard input with the duration of `step(n)` in seconds and the tokens it returns."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries goes to standard error
    print(READY, file=replies, flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        tokens = step(int(line))
        print(json.dumps([time.perf_counter() - began, tokens]), file=replies, flush=True)


class Peer:
    """A process that runs `serve`, controlled from outside."""

    def __init__(self, name: str, python: str, script: Path, *arguments: str):
        self.name = name
        self._process = subprocess.Popen(
            [python, str(script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._read() != READY:
            sys.exit(f"{name}: did not start, see above")

    def step(self, number: int) -> tuple[float, int]:
        """Run a step. Return its duration in seconds and its tokens without padding."""
        assert self._process.stdin
        print(number, file=self._process.stdin, flush=True)
        seconds, tokens = json.loads(self._read() or sys.exit(f"{self.name}: ended, see above"))
        return seconds, tokens

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()
