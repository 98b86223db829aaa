"""Checks that start processes, and the processes themselves."""

import json
import signal
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ernie_paddle.checks import check, stopping, sums
from ernie_paddle.checks.check import SMALL, Bench, cpu_programs
from ernie_paddle.checks.jobs import last_line, started_job, wait, wait_for_lines

SAYS = "import os, json; print(json.dumps({k: v for k, v in os.environ.items() if 'PADDLE' in k}))"


def test_ranks_have_what_the_launcher_gives_them_and_write_logs(tmp_path: Path) -> None:
    with started_job(["-c", SAYS], 3, tmp_path) as job:
        assert wait(job, 60) == [0, 0, 0]
    ranks = [json.loads(last_line(tmp_path, rank)) for rank in range(3)]
    assert [(one["PADDLE_TRAINER_ID"], one["PADDLE_LOCAL_RANK"], one["PADDLE_TRAINERS_NUM"]) for one in ranks] == [
        (str(rank), str(rank), "3") for rank in range(3)
    ]
    (master,) = {one["PADDLE_MASTER"] for one in ranks}
    assert master.startswith("127.0.0.1:") and int(master.split(":")[1]) > 1023


def test_processes_that_still_run_are_killed_also_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), started_job(["-c", "import time; time.sleep(600)"], 2, tmp_path) as job:
        assert wait(job, 0.05) == [None, None]
        raise KeyError
    assert [process.poll() for process in job] == [-signal.SIGKILL] * 2


def test_lines_are_waited_for_while_all_ranks_run(tmp_path: Path) -> None:
    writes = f"import time; open({str(tmp_path / 'log')!r}, 'w').write('a\\nb\\n'); time.sleep(600)"
    with started_job(["-c", writes], 1, tmp_path) as job:
        assert wait_for_lines(tmp_path / "log", 2, job, 60)
        assert not wait_for_lines(tmp_path / "log", 3, job, 0.1)
        job[0].kill()
        began = time.monotonic()
        assert not wait_for_lines(tmp_path / "log", 3, job, 600) and time.monotonic() - began < 60


@contextmanager
def replaced(code: str, ranks: int, folder: Path) -> Any:
    """Start ranks that run some code instead."""
    with started_job(["-c", code], ranks, folder) as job:
        yield job


def test_a_rank_that_fails_to_sum_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os, sys; sys.exit('no way' if os.environ['PADDLE_TRAINER_ID'] == '1' else 0)"
    monkeypatch.setattr(sums, "started_job", lambda command, ranks, folder: replaced(code, ranks, folder))
    outcome = sums.sums_over_ranks(cpu_programs(), replace(bench, ranks=2))
    assert outcome.passed is False and outcome.note == "rank 1: no way"


def test_ranks_that_wait_for_a_dead_one_are_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "END_SECONDS", 0.3)
    monkeypatch.setattr(stopping, "HUNG_SECONDS", 0.1)
    code = "import sys, time; open(sys.argv[1], 'w').write('step\\n' * 5); time.sleep(600)"

    def started(command: Any, ranks: int, folder: Path) -> Any:
        folder.mkdir(parents=True)
        return started_job(["-c", code, folder.parent / stopping.LOG_FILE], ranks, folder)

    monkeypatch.setattr(stopping, "started_job", started)
    outcome = stopping.dead_and_hung_ranks(cpu_programs(), replace(bench, ranks=2))
    assert outcome.passed is False and outcome.note.count("had the exit codes [None]") == 2


def test_a_run_that_dies_of_sigterm_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys, time; open(sys.argv[1], 'w').write('step\\n' * 5); time.sleep(600)"

    def started(command: Any, ranks: int, folder: Path) -> Any:
        folder.mkdir(parents=True)
        return started_job(["-c", code, folder.parent / stopping.LOG_FILE], ranks, folder)

    monkeypatch.setattr(stopping, "started_job", started)
    outcome = stopping.asked_to_stop(cpu_programs(), bench)
    assert outcome.passed is False and outcome.figures["exit codes"] == f"[-{signal.SIGTERM.value}]"


@pytest.mark.slow
def test_two_ranks_sum_and_train_as_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "SMALL", SMALL)  # as in the processes of the ranks
    outcome = sums.sums_over_ranks(cpu_programs(), replace(bench, ranks=2))
    assert outcome.passed, outcome
    assert all(outcome.figures[f"GB/s of {size} bytes"] > 0 for size in ("4", "4,096", "4,194,304"))  # type: ignore[operator]


@pytest.mark.slow
def test_the_other_ranks_end_after_one_is_killed_or_halted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "HUNG_SECONDS", 6.0)
    outcome = stopping.dead_and_hung_ranks(cpu_programs(), replace(bench, ranks=2))
    assert outcome.passed, outcome
    assert len(outcome.figures) == 2


@pytest.mark.slow
def test_a_run_that_is_asked_to_stop_resumes_to_the_same_bits(bench: Bench) -> None:
    outcome = stopping.asked_to_stop(cpu_programs(), bench)
    assert outcome.passed and outcome.figures["difference of the resumed run"] == 0, outcome
    assert int(str(outcome.figures["checkpoint"]).split("_")[1]) < stopping.STEPS
