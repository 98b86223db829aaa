"""Programs to check, with models so small that a check takes a second."""

from pathlib import Path

import pytest

from ernie_paddle.checks.check import Bench, Programs, cpu_programs, stand_in_programs
from ernie_paddle.registry import load_plugins

TINY = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "vocab_size": 60}


@pytest.fixture(autouse=True)
def tiny_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ernie_paddle.checks.check.SMALL", TINY)


@pytest.fixture(params=[cpu_programs, stand_in_programs], ids=["cpu", "gpu"])
def programs(request: pytest.FixtureRequest) -> Programs:
    """The programs of CPUs, then those of GPUs on the CPU."""
    found: Programs = request.param()
    return found


@pytest.fixture
def gpu() -> Programs:
    """The programs of GPUs, on the CPU."""
    return stand_in_programs()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(load_plugins(), tmp_path)
