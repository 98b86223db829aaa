"""`ernie-paddle check`: its table, record and exit code; the checks themselves have their own tests."""

import json
from pathlib import Path

import pytest
from helpers import Run, assert_user_error

from ernie_paddle.checks import suite
from ernie_paddle.checks.check import Bench, Check, Outcome, Programs, on_devices
from ernie_paddle.programs.check_record import DeviceIdentity, read_record
from ernie_paddle.programs.devices import default_place


def outcome_of(passed: bool | None) -> Outcome:
    return Outcome(passed, {"error": 1.25e-7, "equal": True, "list": "[1]"}, "")


def checks(*outcomes: bool | None, required: bool = True) -> tuple[Check, ...]:
    """Checks of the device with these outcomes."""

    def check(number: int, passed: bool | None) -> Check:
        def run(programs: Programs, bench: Bench) -> Outcome:
            return outcome_of(passed)

        return Check(number, f"check{number}", "mistakes", "nothing", run, on_devices, required)

    return tuple(check(number, passed) for number, passed in enumerate(outcomes, 1))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ernie-paddle"


@pytest.mark.parametrize(
    ("outcomes", "required", "code"),
    [((True, None), True, 0), ((True, False), True, 1), ((True, False), False, 0)],
)
def test_the_exit_code_is_1_if_a_required_check_fails(
    outcomes: tuple[bool | None, ...], required: bool, code: int, run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "CHECKS", checks(*outcomes, required=required))
    found, said = run("check")
    assert found == code and ("failed: 2 check2" in said) == bool(code)


def test_the_record_goes_to_the_cache_and_to_the_file(
    run: Run, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "CHECKS", checks(True, False))
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    out = tmp_path / "record.json"
    run("check", "--out", out)
    record = read_record(DeviceIdentity.of(default_place()))
    assert record is not None and record.identity.path.parent == cache
    assert [(result.number, result.passed) for result in record.results] == [(1, True), (2, False)]
    assert record.environment["ernie-paddle"] and record.environment["FLAGS_use_mkldnn"] == "True"
    assert json.loads(out.read_text()) == record.model_dump(mode="json")
    assert "hunter2" not in out.read_text() and str(Path.home()) not in out.read_text()


def test_some_checks_alone_leave_the_record_as_it_is(
    run: Run, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "CHECKS", checks(True, False, True))
    code, _ = run("check", "--only", 3, 1, "--out", tmp_path / "record.json")
    assert code == 0 and not cache.exists()
    assert [result["number"] for result in json.loads((tmp_path / "record.json").read_text())["results"]] == [1, 3]


def test_the_table_says_what_each_check_found(
    run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ernie_paddle.commands.check import result_table
    from ernie_paddle.console import open_console
    from ernie_paddle.programs.check_record import CheckResult

    found = [
        (
            check,
            CheckResult(
                number=check.number,
                name=check.name,
                programs="CPU",
                passed=passed,
                required=True,
                figures=outcome_of(passed).figures,
                note="",
                seconds=0.0,
            ),
        )
        for check, passed in zip(checks(True, False, None), (True, False, None), strict=True)
    ]
    open_console().print(result_table(found))
    table = capsys.readouterr().out
    assert all(word in table for word in ("1 check1", "passed", "FAILED", "measured", "error: 1.25e-07", "equal: yes"))
    assert "list: [1]" in table


def test_a_check_that_does_not_exist_is_a_mistake(run: Run, cache: Path) -> None:
    code, said = run("check", "--only", 99)
    assert_user_error(code, said, "--only 99", "1 to 15")
