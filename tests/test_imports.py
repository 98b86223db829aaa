"""Imports point one way, and what needs no Paddle does not load it."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_USE = {
    "ernie_paddle": {"ernie_paddle"},
    "tasks": {"ernie_paddle", "tasks"},
    "data_builders": {"ernie_paddle", "data_builders"},
}

HEAVY = (  # modules that no command needs before it runs
    "paddle paddlenlp ray matplotlib sklearn scipy gensim jieba rjieba bm25s mwxml seqeval tensorboardX snownlp "
    "charset_normalizer lxml pandas onnx onnxruntime"
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


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path, modules: set[str]) -> set[str]:
    """The modules among `modules` that a file imports anywhere, in functions and for type checkers too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= modules else names | {str(node.module)}
    return found & modules


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """The imports among our modules."""
    paths = {module_name(path): path for package in MAY_USE for path in (ROOT / package).rglob("*.py")}
    return {name: imported_modules(path, set(paths)) for name, path in paths.items()}


def test_no_modules_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    TopologicalSorter(imports).prepare()  # its CycleError lists the modules of a circle


@pytest.mark.parametrize("name", ["task", "finetuning_task", "data", "text", "model"])
def test_what_programs_build_on_imports_no_programs_even_for_types(imports: dict[str, set[str]], name: str) -> None:
    name = f"ernie_paddle.{name}"
    reached = {module for module in imports if f"{module}.".startswith(f"{name}.")}
    while new := set().union(*(imports[module] for module in reached)) - reached:
        reached |= new
    assert "ernie_paddle.errors" in reached
    assert not [module for module in reached if module.startswith("ernie_paddle.programs")]


@pytest.mark.parametrize("package", MAY_USE)
def test_packages_use_only_those_below_them(package: str) -> None:
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    for path in modules:
        ours = imported_packages(path) & {*MAY_USE, "tests", "tools"}
        assert ours <= MAY_USE[package], path


def test_only_programs_and_their_checks_import_paddle_themselves() -> None:
    users = {
        path.relative_to(ROOT).parts[1]
        for path in [*ROOT.glob("*/**/*.py")]
        if path.relative_to(ROOT).parts[0] in MAY_USE and "paddle" in imported_packages(path)
    }
    assert users == {"programs", "checks"}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import ernie_paddle", ["tasks", "data_builders", "paddle"]),
        ("import ernie_paddle.pretraining.run, ernie_paddle.inference.export", ["tasks", "data_builders"]),
        ("import data_builders.build, data_builders.commands.inspect", ["paddle", "tasks"]),
        ("import ernie_paddle.data.shards, ernie_paddle.text.vocabulary", ["paddle"]),
        ("import ernie_paddle.testing, data_builders.testing", ["paddle", "tasks", "pytest"]),
        ("import tasks, ernie_paddle.pretraining.settings", ["paddle", "paddlenlp", "data_builders"]),
        ("from ernie_paddle.registry import load_plugins; load_plugins()", HEAVY),
        # Until this import is done, Python handles Ctrl-C and SIGTERM.
        ("import ernie_paddle.cli", ["ernie_paddle.registry", "ernie_paddle.files", "pydantic", "numpy", *HEAVY]),
    ],
)
def test_importing_pulls_in_no_more_than_it_must(statement: str, absent: list[str]) -> None:
    program = f"import sys; {statement}; print([name for name in {absent!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
