"""The mistakes that `tools/mutate.sh` plants, and how it tries them."""

import ast
from pathlib import Path

import pytest
from mutants import mutants_of
from trying import Trier

ROOT = Path(__file__).parents[2]
CASES = [
    ("if a < b: f()", {"if a <= b: f()", "if True: f()", "if False: f()", "if a < b: pass"}),
    ("x = a and not b", {"x = (not b)", "x = a", "x = a and (b)"}),
    ("x = uniforms(key, row, column)", {"x = uniforms(row, column)", "x = uniforms(key, column)"}),
    ("x = f(a, scale=2)", {"x = f(a)", "x = f(a, scale=3)"}),
    ("x = a * b / c", {"x = a / b / c", "x = (a) / c", "x = (a * b)"}),
    ("CODES = {'100': 0, '101': 1}", {"CODES = {'101': 1}", "CODES = {'100': 0}"}),
    ("x = y[1:]", {"x = y[:]", "x = y[2:]"}),
    ("def f(rate=0.1): return [v for v in rate if v]", {"def f(rate=0.2): return [v for v in rate if v]"}),
    ("x = '名' if a else min(b)", {"x = (min(b))", "x = '名' if a else max(b)"}),
    ("total += 1", {"pass", "total += 2"}),
]


@pytest.mark.parametrize(("source", "expected"), CASES)
def test_mistakes_of_each_kind_are_planted(source: str, expected: set[str]) -> None:
    planted = {ast.dump(ast.parse(mutant.apply(source))) for mutant in mutants_of("m.py", source)}
    assert {ast.dump(ast.parse(text)) for text in expected} <= planted


def test_what_changes_no_result_is_left_alone() -> None:
    source = '''"""Words."""
from a import b
def f(x: int = y) -> 'int | None':
    """Return 1 < 2."""
    raise UserError("none", 1 < 2)
name = f"{1 + 1}"
'''
    assert mutants_of("m.py", source) == []


def test_every_mistake_in_a_real_module_is_another_program_and_only_there() -> None:
    source = (ROOT / "ernie_paddle/keyed_random.py").read_text()
    found = mutants_of("ernie_paddle/keyed_random.py", source)
    programs = {ast.dump(ast.parse(mutant.apply(source))) for mutant in found}
    assert ast.dump(ast.parse(source)) not in programs
    for mutant in found:
        assert source.encode()[mutant.start : mutant.end].decode() == mutant.before
        lines = source.splitlines()
        assert mutant.line in [line.strip() for line in lines[mutant.first_line - 1 : mutant.last_line]]


@pytest.mark.slow
def test_a_mistake_is_noticed_by_name_and_gone_afterwards(tmp_path: Path) -> None:
    module, test = "ernie_paddle/keyed_random.py", "tests/ernie_paddle/test_keyed_random.py"
    source = (ROOT / module).read_text()
    trier = Trier(tmp_path)
    assert trier.run([test], 60, module).status == "passed"
    status, name = trier.run([test], 60, module, source.replace("2.0**-53", "2.0**-52"))
    assert (status, name.split("::")[0]) == ("failed", test)
    assert trier.run([test], 60, module).status == "passed"
    assert trier.run([test], 3, module, "while True: pass").status == "timed out"
    trier.close()
