"""Which tests run a line: recorded once, and again only for test files where something has changed."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mutants import Mutant

from ernie_paddle.errors import UserError
from ernie_paddle.files import sha256_of, write_json

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "runs/mutate/recorded.json"


@dataclass(frozen=True)
class Test:
    """A test: its own seconds, those of the fixtures that it shares with others, and the lines of all by module."""

    name: str
    seconds: float
    shared: dict[str, float]
    lines: dict[str, set[int]]

    @cached_property
    def breadth(self) -> int:
        """How many lines it runs: the fewer, the more of what it checks is about each of them."""
        return sum(map(len, self.lines.values()))


class Tests:
    """All fast tests of the checkout."""

    def __init__(self, tests: list[Test]):
        self._tests = tests

    @classmethod
    def record(cls, jobs: int, fresh: bool) -> "Tests":
        """Read the record of the last time, run the test files that are not in it any more, and write it anew."""
        known: dict[str, dict] = json.loads(RECORDED.read_text()) if RECORDED.exists() and not fresh else {}
        files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))
        known = {name: entry for name, entry in known.items() if name in files and _is_current(entry["digests"])}
        missing = [name for name in files if name not in known]
        if missing:
            print(f"recording what the tests of {len(missing)} files run ...", flush=True)
            known.update(_run_and_record(missing, jobs))
            RECORDED.parent.mkdir(parents=True, exist_ok=True)
            write_json(RECORDED, known)
        return cls(
            [
                Test(name, seconds, shared, {module: set(lines) for module, lines in found.items()})
                for entry in known.values()
                for name, (seconds, shared, found) in entry["tests"].items()
            ]
        )

    def that_run(self, mutant: Mutant, seconds: float) -> list[Test]:
        """Return the tests that run a mutant's lines, the likeliest to notice it first, of some `seconds` in all.

        Lines that run when a module is imported count as run by the tests that run any of it.
        """
        places = set(range(mutant.first_line, mutant.last_line + 1))
        in_module = [test for test in self._tests if mutant.module in test.lines]
        found = [test for test in in_module if test.lines[mutant.module] & places] or in_module
        found.sort(key=lambda test: (not _mirrors(test.name, mutant.module), test.breadth))
        kept: list[Test] = []
        shared: dict[str, float] = {}
        spent = 0.0
        for test in found:
            more = test.seconds + sum(value for name, value in test.shared.items() if name not in shared)
            if not kept or spent + more <= seconds:
                kept.append(test)
                shared |= test.shared
                spent += more
        return kept


def seconds_of(tests: list[Test]) -> float:
    """Return how long tests take together, with what they share once."""
    shared = {name: seconds for test in tests for name, seconds in test.shared.items()}
    return sum(test.seconds for test in tests) + sum(shared.values())


def _mirrors(test: str, module: str) -> bool:
    return Path(test.split("::")[0]).stem == f"test_{Path(module).stem}"


def _digest(name: str) -> str:
    path = ROOT / name
    return sha256_of(path) if path.exists() else ""


def _is_current(digests: dict[str, str]) -> bool:
    return all(_digest(name) == digest for name, digest in digests.items())


def _run_and_record(files: list[str], jobs: int) -> dict[str, dict]:
    """Run test files; for each its tests (seconds and lines by module) and the digests of all that they run."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "MUTATION_RECORDS": folder,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "recording", "-m", "not slow", *files]
        command += ["--numprocesses", str(jobs), "--dist", "loadfile"] if jobs > 1 and len(files) > 1 else []
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        records = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    if done.returncode not in (0, 1, 5) or not records:
        raise UserError(f"the tests could not be run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    if done.returncode == 1:
        print(f"tests that fail without a mistake planted are left out:\n{done.stdout[-2000:]}", flush=True)
    entries: dict[str, dict] = {name: {"tests": {}} for name in files}
    for record in records:
        for test, fixtures in record["tests"].items():
            shared = {f"fixture {name}": record["seconds"].get(f"fixture {name}", 0.0) for name in fixtures}
            lines: dict[str, set[int]] = {}
            for context in (test, *shared):
                for module, numbers in record["lines"].get(context, {}).items():
                    lines.setdefault(module, set()).update(numbers)
            shared = {name: seconds for name, seconds in shared.items() if seconds}
            found = {module: sorted(numbers) for module, numbers in lines.items()}
            entries[test.split("::")[0]]["tests"][test] = (record["seconds"].get(test, 0.0), shared, found)
    for name, entry in entries.items():
        modules = {module for *_, found in entry["tests"].values() for module in found}
        entry["digests"] = {path: _digest(path) for path in [name, *sorted(modules)]}
    return entries
