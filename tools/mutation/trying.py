"""Run tests against mutants: a process that has imported the heavy libraries forks one child per mutant."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, NamedTuple

ROOT = Path(__file__).parents[2]
MEMORY = 10 << 30  # bytes of address space; a mistake may ask for any amount
FAILED = Path("../failed").absolute()  # beside the copy that the process runs in
FOLDERS = ("ernie_paddle", "tasks", "data_builders", "configs", "docs", "tests", "tools")
HEAVY = ("numpy", "paddle", "pyarrow", "tokenizers", "sklearn.metrics", "scipy.stats", "pydantic", "jieba", "pytest")


class Trial(NamedTuple):
    """The end of a run: "passed", "failed" or "timed out", and the first test that failed, if one was reached."""

    status: str
    test: str = ""


class Trier:
    """A copy of the checkout and a process that tries mutants in it."""

    def __init__(self, folder: Path):
        self._copy = folder / "checkout"
        self._copy.mkdir(parents=True)
        for name in FOLDERS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, self._copy / name, symlinks=True, ignore=ignored)
        for path in ROOT.iterdir():
            if path.is_file():
                shutil.copy(path, self._copy / path.name)
        environment = {**os.environ, "PYTHONPATH": str(self._copy), "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-m", "compileall", "-q", "."], cwd=self._copy, check=False, env=environment)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            cwd=self._copy,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, tests: list[str], seconds: float, module: str, source: str | None = None) -> Trial:
        """Run tests until one fails, for some `seconds` at most, with a module's source replaced."""
        path = self._copy / module
        whole = path.read_text()
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
        path.write_text(source or whole)
        try:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps([tests, seconds]) + "\n")
            self._process.stdin.flush()
            return Trial(*json.loads(self._process.stdout.readline()))
        finally:
            path.write_text(whole)

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def _serve(orders: IO[str], results: IO[str]) -> None:
    for name in HEAVY:
        __import__(name)
    for line in orders:
        tests, seconds = json.loads(line)
        FAILED.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            _run_tests(tests)
        status = _status(child, seconds)
        results.write(json.dumps([status, FAILED.read_text() if FAILED.exists() else ""]) + "\n")
        results.flush()


def _run_tests(tests: list[str]) -> None:
    """Run tests in this process, which then ends with pytest's exit code."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    code = 99
    try:
        import pytest

        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={FAILED.parent / 'tmp'}"]
        code = pytest.main([*options, *tests], plugins=[_FirstFailure()])
    finally:
        os._exit(code)


class _FirstFailure:
    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not FAILED.exists():
            FAILED.write_text(report.nodeid)


def _status(child: int, seconds: float) -> str:
    """Wait for a child and end whatever it started."""
    deadline = time.monotonic() + seconds
    status = None
    while status is None and time.monotonic() < deadline:
        done, found = os.waitpid(child, os.WNOHANG)
        status = found if done else None
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
        return "timed out"
    return "passed" if os.waitstatus_to_exitcode(status) == 0 else "failed"


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())
    _serve(sys.stdin, sys.stdout)
