"""When a pre-training run is scored, which checkpoint is its best, and when it stops."""

import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Run, assert_user_error
from ranks_support import together, trainers_of_ranks, without_computing

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.model import saved
from ernie_paddle.pretraining.evaluating import compared, evaluate_tasks, reason_to_stop
from ernie_paddle.pretraining.settings import BestSettings, TrainSection
from ernie_paddle.stopping import Stopped, stop_on_signals
from ernie_paddle.task import Task
from ernie_paddle.training.checkpoint import STATE_FILE
from ernie_paddle.training.evaluation import Best, Score, best_after
from ernie_paddle.training.log_file import LOG_FILE, read_log
from ernie_paddle.training.run import checkpoint_to_resume, run_stages, start
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.stage_plan import PlannedStep, StagePlan
from ernie_paddle.training.trainer import Trainer

TASKS = {"knowledge_masking": {"steps": 9}, "sentence_distance": {"steps": 9}}  # stages of 6 and 12 steps
MASKING = "knowledge_masking"


def train_section(**keys: Any) -> TrainSection:
    tree = {"batch_tokens": 256, "learning_rate": {"peak": 0.01}, **keys}
    return check_settings(TrainSection, tree, "train")


def best_settings(**keys: Any) -> BestSettings:
    return check_settings(BestSettings, keys, "train.best")


def score(loss: float, accuracy: float = 0.5) -> Score:
    return Score(loss, accuracy, 8, None, None)


# ---- settings ----


@pytest.mark.parametrize(
    ("every", "points"),
    [
        (None, {6, 18}),
        ({"steps": 5}, {5, 6, 10, 15, 18}),
        ({"steps": 100}, {6, 18}),
        ({"stages": 0.5}, {3, 6, 12, 18}),
        ({"stages": 0.25}, {2, 3, 4, 6, 9, 12, 15, 18}),
        ({"stages": 0.001}, set(range(1, 19))),
    ],
)
def test_held_out_samples_are_scored_at_the_interval_and_the_end_of_each_stage(
    every: dict[str, float] | None, points: set[int]
) -> None:
    plan = StagePlan(("a", "b"), ((6, 0), (3, 9)))
    assert train_section(evaluate_every=every).evaluation_points(plan) == points


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"evaluate_every": {}}, "either steps or stages"),
        ({"evaluate_every": {"steps": 1, "stages": 0.5}}, "either steps or stages"),
        ({"evaluate_every": {"stages": 1}}, "evaluate_every.stages.*less than 1"),
        ({"evaluate_every": 5}, "evaluate_every.*mapping"),
        ({"best": {"metric": "f1"}}, "best.metric"),
        ({"best": {"metric": "accuracy", "target": 80}}, "target 80: an accuracy is a share"),
        ({"best": {"patience": 0}}, "best.patience.*at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        train_section(**keys)


def test_the_best_of_a_task_that_the_plan_lacks_is_refused(
    run: Run, write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    plan = write_plan(plan={"tasks": TASKS})
    for command in (["plan", plan], ["pretrain", plan, "--out", tmp_path / "run"]):
        code, stderr = run(*command, "--set", "train.best.task=capitalization")
        assert_user_error(code, stderr, "train.best.task 'capitalization' is not among", MASKING)
    assert not (tmp_path / "run").exists()


def test_an_interval_and_a_patience_that_a_run_does_not_reach_are_said(
    run: Run, write_plan: Callable[..., Path]
) -> None:
    plan = write_plan(plan={"tasks": TASKS})
    code, stderr = run("plan", plan, "--set", "train.evaluate_every.steps=19", "train.best.patience=2")
    assert code == 0 and "train.evaluate_every.steps 19 is more than the 18 steps of the run" in stderr
    assert "train.best.patience 2 stops no run; evaluations of the mean held-out loss of all tasks: 1," in stderr
    code, stderr = run("plan", plan, "--set", "train.evaluate_every.steps=3", "train.best.patience=1")
    assert code == 0 and "train." not in stderr


@pytest.mark.parametrize("earlier", [0, 1])
@pytest.mark.parametrize("at_first", [False, True])
@pytest.mark.parametrize("task", [None, "a", "b"])
@pytest.mark.parametrize("patience", [1, 2, 3, 4, 5])
def test_a_patience_without_effect_is_one_that_stops_no_run_that_never_gets_better(
    earlier: int, at_first: bool, task: str | None, patience: int
) -> None:
    """Recounted by the rule that stops a run, for a run of its own and for one that continues the first stage."""
    plan = StagePlan(("a", "b"), ((7, 0), (3, 8)), earlier)
    best_of = {"task": task, "patience": patience}
    train = train_section(evaluate_every={"steps": 4}, evaluate_first=at_first, best=best_of)
    assert train.best is not None
    best: Best | None = None
    stopped = False
    for step in sorted(train.evaluation_points(plan)):
        introduced = plan.introduced(max(earlier, int(step > plan.end_of(0))))
        value = compared(train.best, dict.fromkeys(introduced, score(1.0)), plan.tasks)
        if value is not None:
            best = best_after("loss", best, step, value)
            stopped |= step < plan.total and bool(reason_to_stop(train.best, best))
    assert bool([*train.without_effect(plan)]) == (not stopped)


def test_an_interval_longer_than_the_added_stages_may_end_in_them() -> None:
    """Steps are counted on from those of the run that is continued."""
    plan = StagePlan(("a",), ((95,), (10,)), 1)
    assert not [*train_section(evaluate_every={"steps": 100}).without_effect(plan)]
    (warning,) = train_section(evaluate_every={"steps": 60}).without_effect(plan)
    assert "train.evaluate_every.steps 60 is more than the 10 steps of the run" in warning


# ---- what is compared ----


def test_the_mean_over_tasks_counts_once_all_are_introduced() -> None:
    scores = {"a": score(1.0, 0.5), "b": score(3.0, 0.75)}
    tasks = ("a", "b")
    assert compared(best_settings(), scores, tasks) == 2.0
    assert compared(best_settings(metric="accuracy"), scores, tasks) == 0.625
    assert compared(best_settings(), {"a": score(1.0)}, tasks) is None
    assert compared(best_settings(task="a"), {"a": score(1.0)}, tasks) == 1.0
    assert compared(best_settings(task="b"), {"a": score(1.0)}, tasks) is None


@pytest.mark.parametrize(
    ("keys", "best", "word"),
    [
        ({"target": 1.0}, Best(5, 1.01), ""),
        ({"target": 1.0}, Best(5, 1.0), "train.best.target"),
        ({"target": 0.8, "metric": "accuracy"}, Best(5, 0.79), ""),
        ({"target": 0.8, "metric": "accuracy"}, Best(5, 0.9), "train.best.target"),
        ({"patience": 2}, Best(5, 1.0, 1), ""),
        ({"patience": 2}, Best(5, 1.0, 2), "train.best.patience"),
        ({"patience": 2, "target": 1.0}, Best(5, 1.0, 2), "train.best.target"),
        ({}, Best(5, 0.0, 99), ""),
    ],
)
def test_a_run_stops_at_its_target_or_after_its_patience(keys: dict[str, Any], best: Best, word: str) -> None:
    reason = reason_to_stop(best_settings(**keys), best)
    assert reason.startswith(word) and bool(reason) == bool(word)


# ---- runs ----


class Killed(Exception):
    """A run ended in the middle."""


@pytest.fixture
def scripted(toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trainer]:
    """A function that runs a trainer whose steps compute nothing and whose scores are given by step, in a folder.

    It resumes what is there, is killed in the evaluation after the step `kill`, gets a SIGTERM in that after the step
    `signalled`, and returns the trainer.
    """

    def run(
        out: Path, losses: dict[int, float], kill: int = 0, signalled: int = 0, keep: int | None = 1, **train: Any
    ) -> Trainer:
        sections = {"train": {"batch_tokens": 256, "learning_rate": {"peak": 0.01}, **train}}
        trainer = toy_trainer(plan={"tasks": TASKS}, impl={"keep_checkpoints": keep, "save_steps": 4}, **sections)
        without_computing(trainer, monkeypatch)

        def evaluate(name: str, _: str) -> Score:
            if trainer.progress.step == kill:
                raise Killed
            if trainer.progress.step == signalled:
                os.kill(os.getpid(), signal.SIGTERM)
            return score(losses[trainer.progress.step] + (name != MASKING), 0.25)

        monkeypatch.setattr(trainer, "evaluate", evaluate)
        out.mkdir(exist_ok=True)
        settings = train_section(**train)
        start(trainer, {}, checkpoint_to_resume(out, "auto", trainer.ranks))
        points = settings.evaluation_points(trainer.plan)
        try:
            with stop_on_signals():
                run_stages(trainer, out, {}, partial(evaluate_tasks, trainer, settings), points)
        except Killed:
            assert kill
        return trainer

    return run


def saved_steps(out: Path) -> list[int]:
    return [int(path.name.removeprefix(saved.STEP)) for path in saved.checkpoints(out)]


def held_out_records(out: Path) -> list[dict[str, Any]]:
    return [record for record in read_log(out / LOG_FILE) if record["event"] in ("evaluation", "stop")]


@pytest.mark.parametrize("seed", range(3))
def test_the_best_checkpoint_is_kept_beside_the_newest_and_is_the_same_after_a_kill(
    scripted: Callable[..., Trainer], tmp_path: Path, seed: int
) -> None:
    random = np.random.default_rng(seed)
    points = [2, 4, 6, 8, 10, 12, 14, 16, 18]
    losses = {step: float(random.integers(1, 6)) for step in points}  # with ties
    train = {"evaluate_every": {"steps": 2}, "best": {"task": MASKING}}
    scripted(tmp_path / "straight", losses, **train)
    lowest = min(points, key=lambda step: (losses[step], step))
    assert saved_steps(tmp_path / "straight") == sorted({lowest, 18})
    assert (tmp_path / "straight" / saved.BEST).read_text() == f"{saved.STEP}{lowest}\n"
    records = held_out_records(tmp_path / "straight")
    assert [record["step"] for record in records] == points
    assert records[-1]["best"] == {"step": lowest, "value": losses[lowest]}
    for kill in random.choice(points, 2, replace=False):
        scripted(tmp_path / "killed", losses, kill=int(kill), **train)
    (tmp_path / "killed" / saved.BEST).unlink(missing_ok=True)  # as if killed before it was written
    trainer = scripted(tmp_path / "killed", losses, **train)
    assert trainer.progress.best == Best(lowest, losses[lowest], sum(step > lowest for step in points))
    assert held_out_records(tmp_path / "killed") == records
    assert saved_steps(tmp_path / "killed") == sorted({lowest, 18})
    assert (tmp_path / "killed" / saved.BEST).read_text() == f"{saved.STEP}{lowest}\n"


def test_a_best_checkpoint_that_was_removed_is_said_when_the_run_resumes(
    scripted: Callable[..., Trainer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = {"evaluate_every": {"steps": 2}, "best": {"task": MASKING}}
    losses = {step: float(step) for step in range(2, 19, 2)}
    scripted(tmp_path, losses, kill=12, **train)
    scripted(tmp_path, losses, kill=16, **train)
    assert saved_steps(tmp_path) == [2, 12] and "was removed" not in capsys.readouterr().err
    shutil.rmtree(tmp_path / "step_2")
    scripted(tmp_path, losses, **train)
    assert f"warning: {tmp_path}/step_2: was the best checkpoint and was removed" in capsys.readouterr().err
    assert saved_steps(tmp_path) == [18] and not (tmp_path / saved.BEST).exists()


def test_without_a_best_no_checkpoint_is_the_best_and_all_may_be_kept(
    scripted: Callable[..., Trainer], tmp_path: Path
) -> None:
    trainer = scripted(tmp_path, {6: 1.0, 18: 2.0}, keep=None)
    assert saved_steps(tmp_path) == [4, 6, 8, 12, 16, 18]
    assert not (tmp_path / saved.BEST).exists() and trainer.progress.best is None
    assert [record["best"] for record in held_out_records(tmp_path)] == [None, None]


@pytest.mark.parametrize("kill", [0, 8, 10])
def test_a_run_without_a_better_score_stops_with_a_checkpoint_and_is_finished(
    scripted: Callable[..., Trainer], tmp_path: Path, capsys: pytest.CaptureFixture[str], kill: int
) -> None:
    """The patience counts across a kill."""
    losses = {2: 3.0, 4: 2.0, 6: 2.0, 8: 2.5, 10: 2.25, 12: 0.0}
    train = {"evaluate_every": {"steps": 2}, "best": {"task": MASKING, "patience": 3}}
    if kill:
        scripted(tmp_path, losses, kill=kill, **train)
    trainer = scripted(tmp_path, losses, **train)
    assert (trainer.progress.step, saved_steps(tmp_path)) == (10, [4, 10])
    *evaluations, stop = held_out_records(tmp_path)
    assert [record["step"] for record in evaluations] == [2, 4, 6, 8, 10]
    assert stop["step"] == 10 and stop["reason"] == trainer.progress.stopped
    assert "train.best.patience" in stop["reason"] and "step 4, 2.0000" in stop["reason"]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("stopped")]
    assert line == f"stopped after step 10 by {stop['reason']}"
    before = (tmp_path / LOG_FILE).read_bytes()
    again = scripted(tmp_path, losses, **train)
    assert again.progress.step == 10 and list(again.steps()) == []
    assert f"step_10: the run is finished, stopped by {stop['reason']}" in capsys.readouterr().err
    assert (tmp_path / LOG_FILE).read_bytes() == before and saved_steps(tmp_path) == [4, 10]


def test_a_signal_in_the_evaluation_that_stops_a_run_is_heeded_and_the_run_is_finished(
    scripted: Callable[..., Trainer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All ranks learn of it, as at the end of a stage: the advice says so."""
    train = {"evaluate_every": {"steps": 2}, "best": {"task": MASKING, "patience": 3}}
    losses = {2: 1.0, 4: 2.0, 6: 2.0, 8: 2.0}
    with pytest.raises(Stopped) as stop:
        scripted(tmp_path, losses, signalled=8, **train)
    assert stop.value.advice.startswith(f"{tmp_path}/step_8 is complete")
    trainer = scripted(tmp_path, losses, **train)
    assert trainer.progress.stopped and trainer.progress.step == 8
    assert "step_8: the run is finished, stopped by train.best.patience" in capsys.readouterr().err


def test_a_target_at_the_end_of_the_plan_stops_nothing(scripted: Callable[..., Trainer], tmp_path: Path) -> None:
    trainer = scripted(tmp_path, {6: 3.0, 18: 1.0}, best={"task": MASKING, "target": 2.0})
    assert not trainer.progress.stopped and trainer.progress.step == 18
    assert [record["event"] for record in held_out_records(tmp_path)] == ["evaluation"] * 2


def test_the_command_stops_at_a_target_with_exit_code_0_and_does_not_go_on(
    run: Run, write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    """Any accuracy reaches the target 0."""
    best = {"metric": "accuracy", "task": MASKING, "target": 0}
    train = {"batch_tokens": 256, "learning_rate": {"peak": 0.01}, "evaluate_every": {"steps": 2}, "best": best}
    plan, out = write_plan(plan={"tasks": TASKS}, train=train), tmp_path / "run"
    code, stderr = run("pretrain", plan, "--out", out)
    assert code == 0 and "stopped after step 2 by train.best.target: the held-out accuracy of knowledge" in stderr
    assert saved_steps(out) == [2] and (out / saved.BEST).read_text() == "step_2\n"
    assert [record["event"] for record in held_out_records(out)] == ["evaluation", "stop"]
    state = read_json(out / "step_2" / STATE_FILE, "trainer state")
    assert state["stopped"] == held_out_records(out)[-1]["reason"] and state["best"]["step"] == 2
    code, stderr = run("pretrain", plan, "--out", out, "--resume")
    assert code == 0 and "step_2: the run is finished, stopped by train.best.target" in stderr
    assert saved_steps(out) == [2]


def test_all_ranks_decide_the_same_by_the_sums_of_all(
    toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each rank's own losses would decide otherwise: they rise on rank 0 and fall on rank 1, together they fall."""
    trainers = trainers_of_ranks(lambda: toy_trainer(plan={"tasks": TASKS}), monkeypatch, 2)
    settings, ends = train_section(best={"task": MASKING, "patience": 2}), [4, 5, 6]

    def evaluate_all(trainer: Trainer) -> list[Best | None]:
        found = []
        with RunLog(tmp_path / str(trainer.ranks.rank), trainer) as log:
            for number in ends:
                trainer.progress.step = number
                factor = number if trainer.ranks.rank == 0 else 100 - 3 * number

                def evaluate(task: Task, feed: dict[str, np.ndarray], factor: int = factor) -> np.ndarray:
                    return np.array([factor * (feed["mask_labels"] >= 0).sum(), 0.0])

                monkeypatch.setattr(trainer.session, "evaluate", evaluate)
                evaluate_tasks(trainer, settings, PlannedStep(number, 0, MASKING), log)
                found.append(trainer.progress.best)
        return found

    for rank in ("0", "1"):
        (tmp_path / rank).mkdir()
    first, second = together(trainers, evaluate_all)
    assert first == second and [best.step for best in first if best] == ends


def test_a_run_is_not_stopped_before_its_first_step(run: Run, write_plan: Callable[..., Path], tmp_path: Path) -> None:
    plan, out = write_plan(plan={"tasks": TASKS}), tmp_path / "run"
    settings = ["train.evaluate_first=true", "train.evaluate_every.steps=3", "train.best.target=1000"]
    settings.append(f"train.best.task={MASKING}")
    assert run("pretrain", plan, "--out", out, "--set", *settings)[0] == 0
    assert [path.name for path in saved.checkpoints(out)] == ["step_3"]
