"""When a run scores, saves and stops."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ranks_support import together, trainers_of_ranks, without_computing

from ernie_paddle.errors import Failure, UserError
from ernie_paddle.model import saved
from ernie_paddle.ranks import Ranks
from ernie_paddle.rendezvous import Rendezvous
from ernie_paddle.stopping import Stopped, stop_on_signals
from ernie_paddle.training import checkpoint
from ernie_paddle.training.log_file import LOG_FILE, read_log
from ernie_paddle.training.run import StepLimit, checkpoint_to_resume, ranks_together, run_stages, save, start
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.stage_plan import PlannedStep, planned_steps
from ernie_paddle.training.trainer import Trainer

STAGES = {"strategy": "stages", "tasks": {"knowledge_masking": {"steps": [3, 4]}}}


@pytest.fixture
def idle(toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trainer]:
    """Return a function that makes a trainer of two stages, 3 and 4 steps that compute nothing; `impl` may be set."""

    def make(**impl: Any) -> Trainer:
        return without_computing(toy_trainer(plan=STAGES, impl={"keep_checkpoints": 99, **impl}), monkeypatch)

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


def test_a_checkpoint_that_cannot_be_written_names_what_to_do_with_and_without_earlier_ones(
    idle: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*args: object) -> None:
        raise OSError(28, "No space left on device")

    trainer = idle()
    monkeypatch.setattr(checkpoint, "save_checkpoint", full_disk)
    for there, advice in ((False, "make room, then start the run again"), (True, "then resume with --resume")):
        (tmp_path / "step_1").mkdir(exist_ok=True) if there else None
        with pytest.raises(UserError, match=rf"step_0: cannot be written \(.*No space.*\); .*{advice}$"):
            save(trainer, tmp_path, {})


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
        for name in ("broadcast_from_rank0", "check_equal", "barrier"):
            monkeypatch.setattr(trainer.session, name, lambda name=name: events.append(name))
        start(trainer, {}, None)
        trainer.ranks = Ranks(rank, 2)
        save(trainer, tmp_path / str(rank), {})
        assert saved_steps(tmp_path / str(rank)) == [0] * (rank == 0)
    assert events == ["broadcast_from_rank0", "check_equal", "check_equal", "barrier"] * 2


def test_ranks_that_found_different_checkpoints_do_not_begin(
    toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers = trainers_of_ranks(toy_trainer, monkeypatch)
    trainers[1].progress.step = 7
    with pytest.raises(UserError, match="do not begin at the same step"):
        together(trainers, lambda trainer: start(trainer, {}, None))


def test_no_rank_leaves_before_the_checkpoint_is_complete(
    toy_trainer: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, seen = checkpoint.save_checkpoint, dict[int, list[int]]()

    def write_slowly(*arguments: Any) -> Path:
        time.sleep(0.3)
        return write(*arguments)

    def save_and_look(trainer: Trainer) -> None:
        save(trainer, tmp_path, {})
        seen[trainer.ranks.rank] = saved_steps(tmp_path)

    monkeypatch.setattr(checkpoint, "save_checkpoint", write_slowly)
    together(trainers_of_ranks(toy_trainer, monkeypatch, 3), save_and_look)
    assert seen == {0: [0], 1: [0], 2: [0]}


class Heard(Rendezvous):
    """A rendezvous that records what it is told. It knows a failure behind errors of the type `behind`."""

    def __init__(self, behind: type[Exception] | None = None):
        self.behind, self.expected, self.reports = behind, list[tuple[float | None, str]](), list[tuple[str, int]]()

    def expect(self, seconds: float | None, what: str = "") -> None:
        self.expected.append((seconds, what))

    def report(self, reason: str, exit_code: int) -> None:
        self.reports.append((reason, exit_code))

    def failure_behind(self, error: BaseException) -> Failure | None:
        return Failure("rank 1 (b) has ended", 9) if self.behind and isinstance(error, self.behind) else None


def test_a_step_may_take_its_limit_or_twenty_times_the_usual(
    idle: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, clock = idle(step_seconds=50), 0.0
    trainer.session.collectives.rendezvous = heard = Heard()
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    limit = StepLimit(trainer)
    for seconds in (3, 2, 3, 1, 5, 5, 5):
        limit.begin()
        clock += seconds
        limit.end()
    limits = [650, 20 * 3, 50, 20 * 3, 50, 20 * 3, 20 * 3]
    assert heard.expected[::2] == [(limit, f"step {number}") for number, limit in enumerate(limits, 1)]
    assert set(heard.expected[1::2]) == {(None, "")}
    limit.begin()
    assert len(heard.expected) == 14, "there is no eighth step"


def test_the_first_step_of_each_combination_of_tasks_may_take_longer(toy_trainer: Callable[..., Trainer]) -> None:
    tasks = {"knowledge_masking": {"steps": [2, 1]}, "sentence_distance": {"steps": [1, 2]}}
    trainer = toy_trainer(plan={"strategy": "stages", "tasks": tasks}, impl={"step_seconds": 9})
    combinations = [tuple(task.name for task in trainer.combination(step)) for step in planned_steps(trainer.plan)]
    trainer.session.collectives.rendezvous = heard = Heard()
    limit = StepLimit(trainer)
    for _ in combinations:
        limit.begin()
    first = [combinations.index(names) == number for number, names in enumerate(combinations)]
    assert [seconds for seconds, _ in heard.expected] == [609 if is_first else 9 for is_first in first]
    assert 1 < sum(first) < len(first)
    trainer.progress.step = 2
    resumed = StepLimit(trainer)
    resumed.begin()
    assert heard.expected[-1] == (609, "step 3")


def test_steps_are_limited_but_not_scores_and_checkpoints(
    idle: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = idle(save_steps=3)
    trainer.session.collectives.rendezvous = heard = Heard()
    events: list[object] = []
    monkeypatch.setattr(heard, "expect", lambda seconds, what="": events.append(what or seconds))
    monkeypatch.setattr("ernie_paddle.training.run.save", lambda *_: events.append("save"))
    monkeypatch.setattr(trainer.session, "update", lambda *_: events.append("update") or True)
    run_stages(trainer, tmp_path, {}, lambda *_: events.append("scores"), {2})
    limited = False
    for event in events:
        limited = event is not None if event is None or str(event).startswith("step") else limited
        assert limited == (event == "update" or str(event).startswith("step")), events
    assert events[-1] is None and events.count("save") == 3 and events.count("scores") == 1


@pytest.mark.parametrize(
    ("error", "raised", "message", "report"),
    [
        (UserError("a\nb"), UserError, "a\nb", ("a b", 2)),
        (Stopped(15), Stopped, "15", ("stopped by SIGTERM", 75)),
        (ValueError("ours"), ValueError, "ours", ("ours", 1)),
        (KeyError(), KeyError, "", ("KeyError()", 1)),
        (MemoryError(), UserError, "memory is full at step 5", None),
        (OSError("CUDA error(719), x"), Failure, "failed at step 5: CUDA error(719), x; the last checkpoint is", None),
        (RuntimeError("std::exception"), Failure, "rank 1 (b) has ended; the last checkpoint is complete", None),
        (Failure("rank 2 (c): late"), Failure, "rank 2 (c): late; the last checkpoint is complete", None),
    ],
)
def test_errors_in_a_run_are_named_and_told_to_the_other_ranks(
    idle: Callable[..., Trainer],
    tmp_path: Path,
    error: BaseException,
    raised: type[BaseException],
    message: str,
    report: tuple[str, int] | None,
) -> None:
    trainer = idle()
    save(trainer, tmp_path, {})
    trainer.progress.step = 4
    trainer.session.collectives.rendezvous = heard = Heard(behind=RuntimeError)
    with pytest.raises(raised) as found, ranks_together(tmp_path, trainer):
        raise error
    assert message in str(found.value)
    ((reason, code),) = heard.reports
    assert (reason, code) == (report or (str(found.value), found.value.exit_code))  # type: ignore[attr-defined]


def test_ranks_leave_a_run_together(
    idle: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, events = idle(), list[str]()
    monkeypatch.setattr(trainer.session, "barrier", lambda: events.append("barrier"))
    with ranks_together(tmp_path, trainer):
        events.append("end")
    assert events == ["end", "barrier"]


def test_a_run_that_resumes_if_it_can_says_that_there_is_nothing_to_resume(
    idle: Callable[..., Trainer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkpoint_to_resume(tmp_path, "auto", Ranks()) is None
    assert f"{tmp_path}: no complete checkpoint to resume from, starting a new run" in capsys.readouterr().err
    assert checkpoint_to_resume(tmp_path, "auto", Ranks(1, 2)) is checkpoint_to_resume(tmp_path, "no", Ranks()) is None
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match="with --resume auto, a new run starts instead"):
        checkpoint_to_resume(tmp_path, "yes", Ranks())
    save(idle(), tmp_path, {})
    assert checkpoint_to_resume(tmp_path, "auto", Ranks()) == checkpoint_to_resume(tmp_path, "yes", Ranks())
    with pytest.raises(UserError, match="holds checkpoints; resume the run with --resume"):
        checkpoint_to_resume(tmp_path, "no", Ranks())
