"""A pytest plug-in that records which lines each test and each fixture runs, and how long they take.

Each process writes a JSON file into the folder that `MUTATION_RECORDS` names. Fixtures are recorded on their own, since
the first test that asks for a shared one runs its lines for all others.
"""

import json
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import coverage
import pytest

ROOT = Path.cwd()
PACKAGES = ("ernie_paddle", "tasks", "data_builders")


class Recorder:
    def __init__(self) -> None:
        include = [f"{ROOT}/{package}/*" for package in PACKAGES]
        self._coverage = coverage.Coverage(data_file=None, include=include, config_file=False, messages=False)
        self._coverage.start()
        self._inside = [""]
        self._seconds: dict[str, float] = {}
        self._tests: dict[str, list[str]] = {}
        self._failed: set[str] = set()

    def _enter(self, name: str) -> None:
        self._inside.append(name)
        self._coverage.switch_context(name)

    def _leave(self) -> None:
        self._inside.pop()
        self._coverage.switch_context(self._inside[-1])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self._tests[item.nodeid] = list(getattr(item, "fixturenames", []))
        self._enter(item.nodeid)
        try:
            return (yield)
        finally:
            self._leave()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function":
            return (yield)
        name = f"fixture {fixturedef.argname}"
        began = time.perf_counter()
        self._enter(name)
        try:
            return (yield)
        finally:
            self._leave()
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - began

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        self._seconds[report.nodeid] = report.duration
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines: dict[str, dict[str, list[int]]] = {}
        for path in data.measured_files():
            module = str(Path(path).relative_to(ROOT))
            for line, contexts in data.contexts_by_lineno(path).items():
                for context in contexts:
                    lines.setdefault(context, {}).setdefault(module, []).append(line)
        record = {
            "tests": {name: fixtures for name, fixtures in self._tests.items() if name not in self._failed},
            "seconds": self._seconds,
            "lines": lines,
        }
        (Path(os.environ["MUTATION_RECORDS"]) / f"{os.getpid()}.json").write_text(json.dumps(record))


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.register(Recorder(), "recorder")
