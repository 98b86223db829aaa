"""Imports point one way, and what needs no Paddle does not load it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_USE = {
    "ernie_paddle": {"ernie_paddle"},
    "tasks": {"ernie_paddle", "tasks"},
    "data_builders": {"ernie_paddle", "data_builders"},
}

HEAVY = (  # what no command needs before it runs
    "paddle paddlenlp ray matplotlib sklearn scipy gensim jieba rjieba bm25s mwxml seqeval tensorboardX snownlp "
    "charset_normalizer pandas"
).split()


def imported_packages(path: Path) -> set[str]:
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            packages.add(str(node.module).split(".")[0])
    return packages


@pytest.mark.parametrize("package", MAY_USE)
def test_packages_use_only_those_below_them(package: str) -> None:
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    for path in modules:
        ours = imported_packages(path) & {*MAY_USE, "tests", "tools"}
        assert ours <= MAY_USE[package], path


def test_only_programs_and_prediction_import_paddle_themselves() -> None:
    users = {
        path.relative_to(ROOT).parts[1]
        for path in [*ROOT.glob("*/**/*.py")]
        if path.relative_to(ROOT).parts[0] in MAY_USE and "paddle" in imported_packages(path)
    }
    assert users == {"programs"}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import ernie_paddle", ["tasks", "data_builders", "paddle"]),
        ("import ernie_paddle.training.pretraining, ernie_paddle.inference.export", ["tasks", "data_builders"]),
        ("import data_builders.build, data_builders.commands.inspect", ["paddle", "tasks"]),
        ("import ernie_paddle.data.shards, ernie_paddle.text.vocabulary", ["paddle"]),
        ("import tasks, ernie_paddle.training.run_settings", ["paddle", "paddlenlp", "data_builders"]),
        ("from ernie_paddle.registry import load_plugins; load_plugins()", HEAVY),
        # Until this is done Ctrl-C and SIGTERM are Python's.
        ("import ernie_paddle.cli", ["ernie_paddle.registry", "ernie_paddle.files", "pydantic", "numpy", *HEAVY]),
    ],
)
def test_importing_pulls_in_no_more_than_it_must(statement: str, absent: list[str]) -> None:
    program = f"import sys; {statement}; print([name for name in {absent!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
