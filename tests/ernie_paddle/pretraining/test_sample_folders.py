"""Samples of a task in several folders: how often they are drawn, how they are scored, and what is refused."""

import shutil
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from helpers import Run, assert_user_error

from data_builders.annotation.features import CAPITALIZATION
from ernie_paddle import testing
from ernie_paddle.config import load_settings
from ernie_paddle.data.order import mixture
from ernie_paddle.data.schema import Column
from ernie_paddle.data.spans import SPANS
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.plan import stage_plan
from ernie_paddle.pretraining.requirements import requirements
from ernie_paddle.pretraining.run import build_trainer, run_identity
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.log_file import LOG_FILE, read_log
from ernie_paddle.training.stage_plan import planned_steps

MASKING, DISTANCE = "knowledge_masking", "sentence_distance"
COLUMNS = (*SPANS, CAPITALIZATION.column)
SAMPLES = 96


@pytest.fixture
def own(tmp_path: Path, toy_vocabulary: Vocabulary) -> Path:
    """Other samples of masking than the toy shards have."""
    return testing.write_toy_shards(tmp_path / "own", {MASKING: COLUMNS}, toy_vocabulary, seed=9)


@pytest.fixture
def plan_of(write_plan: Callable[..., Path], toy_shards: Path, own: Path) -> Callable[..., Path]:
    """A function that writes a plan over both folders; sentence distance is in `earlier` alone."""

    def write(train: Any = None, tasks: Any = None, **data: Any) -> Path:
        return write_plan(
            data={"shards": {"earlier": str(toy_shards), "own": str(own)}, **data},
            plan={"strategy": "multi_task", "tasks": tasks or {MASKING: {"steps": 60}, DISTANCE: {"steps": 2}}},
            train={"batch_samples": 8, "learning_rate": {"peak": 0.01}, "validation_samples": 16, **(train or {})},
        )

    return write


def loaded(plan: Path) -> PretrainSettings:
    return load_settings(PretrainSettings, plan)


@pytest.mark.parametrize(
    ("data", "temperature", "own_share"),
    [
        ({}, 1, 1 / 2),
        ({"shares": {"earlier": 0.2, "own": 0.6}}, 1, 3 / 4),
        ({"shares": {"earlier": 0.2, "own": 0.6}, "weights": {"own/toy": 5}}, 2, 3 / 4),
        ({"weights": {"own/toy": 2}}, 1, 2 / 3),
    ],
)
def test_samples_of_each_folder_are_drawn_as_its_share_says(
    plan_of: Callable[..., Path], data: Any, temperature: float, own_share: float
) -> None:
    tasks = {MASKING: {"steps": 48, "temperature": temperature}, DISTANCE: {"steps": 2}}
    if "weights" in data:
        data = {**data, "weights": {"own/" + corpus_name(plan_of()): next(iter(data["weights"].values()))}}
    settings = loaded(plan_of(tasks=tasks, **data))
    trainer = build_trainer(settings, load_plugins())
    drawn, rows = Counter[str](), trainer.preparer.orders[MASKING].rows
    for step in trainer.preparer.prepare_all(planned_steps(trainer.plan), {}):
        if step.planned.task == MASKING:
            batches = (rows(batch.rows) for batch in step.micro_batches.values())
            drawn.update("earlier" if row < SAMPLES else "own" for row in chain.from_iterable(batches))
    assert drawn.total() == 384 and drawn["own"] == pytest.approx(384 * own_share, abs=1), "of two epochs"
    needed = requirements(ErnieConfig.load(settings.model.config), stage_plan(settings.plan), settings, 1).tasks
    shown = {name.partition("/")[0]: corpus for name, corpus in needed[MASKING].corpora.items()}
    assert shown["own"].samples == SAMPLES and shown["own"].samples_needed == pytest.approx(drawn["own"], abs=1)
    assert needed[DISTANCE].samples_needed == 16


def corpus_name(plan: Path) -> str:
    (corpora,) = loaded(plan).data.manifests(MASKING)["own"].corpora["train"]
    return corpora.name


def test_shares_leave_weights_within_a_folder_as_they_are() -> None:
    samples = {"a/x": 100, "a/y": 300, "b/z": 50}
    per_epoch = {corpus.name: corpus.per_epoch for corpus in mixture(samples, {"a/x": 3}, 1, {"a": 0.5, "b": 0.5})}
    assert per_epoch["a/x"] == pytest.approx(per_epoch["a/y"]), "3 x 100 = 300"
    assert per_epoch["b/z"] == pytest.approx(per_epoch["a/x"] + per_epoch["a/y"])
    only = {corpus.name: corpus.per_epoch for corpus in mixture({"a/x": 100}, {}, 1, {"a": 0.1, "b": 0.9})}
    assert only == {"a/x": 100}, "a task that one folder has alone"


def test_each_folder_is_scored_as_if_it_were_the_only_one(
    plan_of: Callable[..., Path], own: Path, toy_shards: Path
) -> None:
    together = build_trainer(loaded(plan_of()), load_plugins())
    scores = together.evaluate_all(together.plan.introduced(0))
    assert [*scores] == [f"{MASKING}/earlier", f"{MASKING}/own", f"{DISTANCE}/earlier"]
    for folder, path in {"earlier": toy_shards, "own": own}.items():
        alone = build_trainer(loaded(plan_of(shards=str(path), tasks={MASKING: {"steps": 1}})), load_plugins())
        assert alone.evaluate_all([MASKING]) == {MASKING: scores[f"{MASKING}/{folder}"]}
    assert scores[f"{MASKING}/earlier"].loss != scores[f"{MASKING}/own"].loss


def test_a_run_is_scored_before_its_first_step_and_keeps_the_best_checkpoint_of_a_folder(
    plan_of: Callable[..., Path], tmp_path: Path, run: Run
) -> None:
    best = {"task": f"{MASKING}/own"}
    plan = plan_of(train={"evaluate_first": True, "best": best}, tasks={MASKING: {"steps": 2}, DISTANCE: {"steps": 1}})
    out = tmp_path / "run"
    assert run("pretrain", plan, "--out", out)[0] == 0
    records = [record for record in read_log(out / LOG_FILE) if record["event"] == "evaluation"]
    assert [record["step"] for record in records] == [0, 3]
    own = {record["tasks"][f"{MASKING}/own"]["loss"]: record["step"] for record in records}
    assert records[-1]["best"] == {"step": own[min(own)], "value": min(own)}
    assert run("report", out, "--out", tmp_path / "report.html")[0] == 0
    assert f"{MASKING}/own" in (tmp_path / "report.html").read_text()
    shutil.rmtree(out / "step_3")
    assert run("pretrain", plan, "--out", out, "--resume", "auto")[0] == 0
    again = [record for record in read_log(out / LOG_FILE) if record["event"] == "evaluation"]
    assert again == records, "a run without a checkpoint begins again"


def test_folders_that_do_not_fit_are_refused(
    plan_of: Callable[..., Path], own: Path, run: Run, toy_vocabulary: Vocabulary
) -> None:
    assert_user_error(*run("plan", plan_of(shares={"earlier": 0.2})), "shares: earlier, expected one for each folder")
    assert_user_error(*run("plan", plan_of(shares={"earlier": 0, "own": 1})), "data.shares.earlier")
    assert_user_error(*run("plan", plan_of(shards={})), "data.shards")
    other = plan_of(train={"best": {"task": f"{MASKING}/owns"}})
    assert_user_error(*run("plan", other), "'owns' is not in data.shards")
    assert_user_error(*run("plan", plan_of(weights={"toy": 2})), "data.weights: 'toy' is not among", "earlier/", "own/")
    shutil.rmtree(own / MASKING)
    columns = (*COLUMNS, Column("more", "token", ("a", "b")))
    testing.write_toy_shards(own, {MASKING: columns}, toy_vocabulary)
    assert_user_error(
        *run("plan", plan_of()), f"{own}/{MASKING}: its samples have other columns or classes than those in"
    )
    shutil.rmtree(own / MASKING)
    assert run("plan", plan_of())[0] == 0, "the other folder has the task"


def test_folders_and_shares_decide_the_result(plan_of: Callable[..., Path], toy_shards: Path) -> None:
    plans: list[dict[str, Any]] = [
        {},
        {"shares": {"earlier": 0.5, "own": 0.5}},
        {"shares": {"earlier": 0.1, "own": 0.9}},
        {"shards": str(toy_shards)},
    ]
    identities = [run_identity(loaded(plan_of(**data))) for data in plans]
    assert all(one != other for number, one in enumerate(identities) for other in identities[:number])
