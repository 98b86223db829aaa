"""Functions fit a screen and modules stay small."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = [path for name in ("ernie_paddle", "tasks", "data_builders", "tools") for path in (ROOT / name).rglob("*.py")]
MAX_FUNCTION, MAX_MODULE = 60, 350  # lines


def test_no_module_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert len(lengths) > 200
    assert {name: length for name, length in lengths.items() if length > MAX_MODULE} == {}


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    assert len(lengths) > 1000
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION} == {}
