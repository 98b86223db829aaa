"""When a run scores, saves and stops."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ernie_paddle.model import saved
from ernie_paddle.ranks import Ranks
from ernie_paddle.stopping import Stopped, stop_on_signals
from ernie_paddle.training import checkpoint
from ernie_paddle.training.log_file import LOG_FILE, read_log
from ernie_paddle.training.run import run_stages, save, start
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.stage_plan import PlannedStep
from ernie_paddle.training.trainer import Trainer

STAGES = {"strategy": "stages", "tasks": {"knowledge_masking": {"steps": [3, 4]}}}


@pytest.fixture
def idle(toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trainer]:
    """Return a function that makes a trainer of two stages, 3 and 4 steps that compute nothing; `impl` may be set."""

    def make(**impl: Any) -> Trainer:
        trainer = toy_trainer(plan=STAGES, impl={"keep_checkpoints": 99, **impl})
        monkeypatch.setattr(trainer.session, "add_gradients", lambda *_: None)
        monkeypatch.setattr(trainer.session, "update", lambda *_: True)
        monkeypatch.setattr(trainer.session, "take_metrics", lambda: {"knowledge_masking": [1.0, 1.0]})
        monkeypatch.setattr(trainer.session, "products", lambda tasks: (1, 0))
        monkeypatch.setattr(trainer.session, "gradient_norm", lambda: 1.0)
        return trainer

    return make


def saved_steps(out: Path) -> list[int]:
    return [int(path.name.removeprefix("step_")) for path in saved.checkpoints(out)]


@pytest.mark.parametrize(("save_steps", "steps"), [(2, [2, 3, 4, 6, 7]), (100, [3, 7])])
def test_checkpoints_are_written_at_each_interval_and_end_of_a_stage_after_the_scores(
    idle: Callable[..., Trainer], tmp_path: Path, save_steps: int, steps: list[int]
) -> None:
    scored: list[tuple[int, list[int]]] = []

    def evaluate(last: PlannedStep, log: RunLog) -> None:
        scored.append((last.number, saved_steps(tmp_path)))

    run_stages(idle(save_steps=save_steps, logging_steps=100), tmp_path, {}, evaluate, {3, 5, 7})
    assert saved_steps(tmp_path) == steps
    assert scored == [(number, [step for step in steps if step < number]) for number in (3, 5, 7)]
    logged = [record["step"] for record in read_log(tmp_path / LOG_FILE) if record["event"] == "train"]
    assert logged == sorted({*steps, 3, 5, 7}), "what was done before is logged before"


def test_the_newest_checkpoints_are_kept(idle: Callable[..., Trainer], tmp_path: Path) -> None:
    run_stages(idle(save_steps=1, keep_checkpoints=3), tmp_path, {}, lambda *_: None, ())
    assert saved_steps(tmp_path) == [5, 6, 7]


@pytest.mark.parametrize("number", [1, 5])
def test_a_signal_inside_a_stage_ends_the_run_with_a_checkpoint_of_all_that_was_done(
    idle: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    trainer, done = idle(save_steps=100), []

    def update(*_: object) -> bool:
        done.append(trainer.progress.step + 1)
        if done[-1] == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return True

    monkeypatch.setattr(trainer.session, "update", update)
    with pytest.raises(Stopped, match="--resume") as stop, stop_on_signals():
        run_stages(trainer, tmp_path, {}, lambda *_: None, ())
    assert stop.value.exit_code == 75
    assert done[-1] in (number, number + 1) and saved_steps(tmp_path)[-1] == trainer.progress.step == done[-1]
    checkpoint.check_checkpoint(tmp_path / f"step_{done[-1]}")


def test_ranks_begin_alike_are_compared_before_each_checkpoint_and_the_first_writes_it(
    idle: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    for rank in (0, 1):
        trainer = idle()
        for name in ("broadcast_from_rank0", "check_equal"):
            monkeypatch.setattr(trainer.session, name, lambda name=name: events.append(name))
        start(trainer, tmp_path / str(rank), {}, "no", None)
        trainer.ranks = Ranks(rank, 2)
        save(trainer, tmp_path / str(rank), {})
        assert saved_steps(tmp_path / str(rank)) == [0] * (rank == 0)
    assert events == ["broadcast_from_rank0", "check_equal", "check_equal"] * 2


def test_a_run_that_resumes_if_it_can_says_that_there_is_nothing_to_resume(
    idle: Callable[..., Trainer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(idle(), tmp_path, {}, resume="auto", init=None)
    assert f"{tmp_path}: no complete checkpoint to resume from, starting a new run" in capsys.readouterr().err
    start(idle(), tmp_path, {}, resume="no", init=None)
    assert "resume" not in capsys.readouterr().err
