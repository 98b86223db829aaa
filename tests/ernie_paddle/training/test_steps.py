"""What steps feed to programs, on one rank and on several: loss weights, labels and keys of dropout."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pytest
from ranks_support import together, trainers_of_ranks

from ernie_paddle.data.schema import IGNORED
from ernie_paddle.errors import UserError
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.task import Task
from ernie_paddle.training.stage_plan import planned_steps
from ernie_paddle.training.trainer import StepResult, Trainer
from tasks.pretraining.knowledge_masking import MaskedLanguageModelObjective

WEIGHTS = {"knowledge_masking": 2.0, "capitalization": 0.5, "sentence_distance": 1.0}
LABELS = {"knowledge_masking": "mask_labels"} | {name: f"{name}_fc_label" for name in WEIGHTS if name[0] != "k"}
THREE = {
    "strategy": "multi_task",
    "tasks": {name: {"steps": 6, "weight": weight} for name, weight in WEIGHTS.items()},
}
TRAIN: dict[str, Any] = {"batch_tokens": 256, "accumulation": 3, "learning_rate": {"peak": 0.01}}


@dataclass(frozen=True)
class Fed:
    """A micro-batch as the programs are given it."""

    tasks: tuple[str, ...]
    feed: dict[str, np.ndarray]
    loss_weights: np.ndarray
    dropout_key: int

    def labels(self, task: str) -> int:
        return int((self.feed[LABELS[task]] != IGNORED).sum())


FeedsOf = Callable[..., list[tuple[StepResult, list[Fed]]]]


@pytest.fixture
def feeds_of(monkeypatch: pytest.MonkeyPatch) -> FeedsOf:
    """Return a function that runs steps without computing, and returns each step's result and micro-batches."""

    def run(trainer: Trainer, steps: int | None = None) -> list[tuple[StepResult, list[Fed]]]:
        now: list[Fed] = []

        def add_gradients(
            tasks: tuple[Task, ...], feed: dict[str, np.ndarray], loss_weights: np.ndarray, key: int
        ) -> None:
            now.append(Fed(tuple(task.name for task in tasks), feed, loss_weights, key))

        monkeypatch.setattr(trainer.session, "add_gradients", add_gradients)
        monkeypatch.setattr(trainer.session, "update", lambda tasks, rate: True)
        found = []
        for step in islice(trainer.steps(), steps):
            found.append((step, list(now)))
            now.clear()
        return found

    return run


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return left.keys() == right.keys() and all(
        value.dtype == right[name].dtype and np.array_equal(value, right[name]) for name, value in left.items()
    )


def test_losses_weigh_their_task_s_weight_over_the_labels_of_the_whole_step(
    toy_trainer: Callable[..., Trainer], feeds_of: FeedsOf
) -> None:
    combinations = set()
    for step, micro_batches in feeds_of(toy_trainer(plan=THREE, train=TRAIN)):
        names = tuple(task.name for task in step.tasks)
        combinations.add(names)
        labels = [sum(micro_batch.labels(name) for micro_batch in micro_batches) for name in names]
        assert len(micro_batches) == 3 and min(labels) > 0 and step.label_counts.tolist() == labels
        for micro_batch in micro_batches:
            assert micro_batch.tasks == names and micro_batch.loss_weights.dtype == np.float32
            expected = [WEIGHTS[name] / count for name, count in zip(names, labels, strict=True)]
            np.testing.assert_allclose(micro_batch.loss_weights, expected, rtol=1e-6)
        assert step.tokens == sum(len(micro_batch.feed["input_ids"]) for micro_batch in micro_batches)
        assert step.padded_tokens == sum(micro_batch.feed["padded_to_token"].size for micro_batch in micro_batches)
        assert step.samples == sum((micro_batch.feed["position_ids"] == 0).sum() for micro_batch in micro_batches)
    assert {len(names) for names in combinations} == {2, 3}


def test_a_task_without_labels_in_a_step_keeps_a_finite_weight(
    toy_trainer: Callable[..., Trainer],
    feeds_of: FeedsOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = toy_trainer(plan=THREE, train=TRAIN)
    monkeypatch.setattr(trainer.session.collectives, "all_reduce", np.zeros_like)
    for _, micro_batches in feeds_of(trainer, 3):
        for micro_batch in micro_batches:
            assert micro_batch.loss_weights.tolist() == [WEIGHTS[name] for name in micro_batch.tasks]


def test_ranks_together_feed_what_one_alone_does(
    toy_trainer: Callable[..., Trainer],
    feeds_of: FeedsOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Micro-batches, dropout masks and loss weights are equal, since weights count the labels of all ranks."""
    alone = feeds_of(toy_trainer(plan=THREE, train=TRAIN))
    trainers = trainers_of_ranks(lambda: toy_trainer(plan=THREE, train=TRAIN), monkeypatch)
    shared = together(trainers, feeds_of)
    for (step, micro_batches), (first, fed_first), (second, fed_second) in zip(alone, *shared, strict=True):
        assert {len(fed_first), len(fed_second)} == {1, 2}
        found = {fed.dropout_key: fed for fed in (*fed_first, *fed_second)}
        for expected in micro_batches:
            assert same(found[expected.dropout_key].feed, expected.feed)
            assert (found[expected.dropout_key].loss_weights == expected.loss_weights).all()
        for result in (first, second):
            assert (result.samples, result.tokens, result.padded_tokens) == (
                step.samples,
                step.tokens,
                step.padded_tokens,
            )
            assert result.label_counts.tolist() == step.label_counts.tolist()


def test_every_micro_batch_of_a_run_has_a_dropout_of_its_own(
    toy_trainer: Callable[..., Trainer], feeds_of: FeedsOf
) -> None:
    keys = [
        [
            [micro_batch.dropout_key for micro_batch in micro_batches]
            for _, micro_batches in feeds_of(toy_trainer(plan=THREE, train=t))
        ]
        for t in (TRAIN, TRAIN, TRAIN | {"seed": 2})
    ]
    assert keys[0] == keys[1], "of the run, not of the process"
    flat = [key for run in (keys[0], keys[2]) for step in run for key in step]
    assert len(set(flat)) == len(flat) == 2 * 18 * 3


def test_every_draw_of_a_run_is_keyed_by_its_seed_purpose_and_place(
    toy_trainer: Callable[..., Trainer], feeds_of: FeedsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later versions that draw with the same keys can resume runs of this one."""
    tasks = {name: {"steps": 2} for name in ("knowledge_masking", "sentence_distance")}
    trainer = toy_trainer(plan={"strategy": "multi_task", "tasks": tasks}, train=TRAIN | {"accumulation": 2, "seed": 7})
    monkeypatch.setattr(trainer.session, "evaluate", lambda *_: np.ones(2))
    keys, blake2b = set[str](), hashlib.blake2b

    def hashed(key: bytes, digest_size: int) -> Any:
        keys.add(key.decode().replace("\x1f", " "))
        return blake2b(key, digest_size=digest_size)

    monkeypatch.setattr(hashlib, "blake2b", hashed)
    feeds_of(trainer)
    trainer.evaluate("sentence_distance")
    trainer.session.parameter_shapes([trainer.tasks["sentence_distance"]])
    monkeypatch.undo()
    expected = {f"7 dropout {number} {micro_batch}" for number in (1, 2, 3, 4) for micro_batch in (0, 1)}
    expected |= {f"7 parameter {name}" for name, value in trainer.session.parameters().items() if value.ndim == 2}
    for primary in tasks:
        expected |= {f"7 order {primary} 0", f"7 labels {primary} 0"}
        labels = keyed_hash(7, "labels", primary, 0)
        expected |= {f"{labels} {name}" for name in ("knowledge_masking", primary)}
    of_evaluation = keyed_hash(7, "evaluation", "sentence_distance")
    assert keys == expected | {"7 evaluation sentence_distance", f"{of_evaluation} sentence_distance"}


def test_a_sample_as_long_as_a_micro_batch_fits_a_longer_one_is_refused(toy_trainer: Callable[..., Trainer]) -> None:
    plan = {"tasks": {"sentence_distance": {"steps": 1}}}
    longest = int(toy_trainer(plan=plan).data["sentence_distance"].train.lengths.max())
    toy_trainer(plan=plan, train=TRAIN | {"batch_tokens": longest})
    with pytest.raises(UserError, match=rf"batch_tokens {longest - 1}: a sample of sentence_distance has {longest} "):
        toy_trainer(plan=plan, train=TRAIN | {"batch_tokens": longest - 1})


def test_objectives_are_those_of_the_step_s_stage(
    toy_trainer: Callable[..., Trainer], feeds_of: FeedsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages: list[int] = []
    monkeypatch.setattr(MaskedLanguageModelObjective, "in_stage", lambda self, stage: stages.append(stage) or self)  # type: ignore[func-returns-value]
    tasks = {"knowledge_masking": {"steps": 6}, "sentence_distance": {"steps": 6}}
    trainer = toy_trainer(plan={"tasks": tasks}, train=TRAIN)
    feeds_of(trainer)
    assert stages == [step.stage for step in planned_steps(trainer.plan)] and set(stages) == {0, 1}


@pytest.mark.parametrize(
    ("restart", "expected"),
    [
        ("never", [1 / 2, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        ("stage", [1 / 2, 2 / 3, 1 / 3, 1 / 2, 4 / 5, 3 / 5, 2 / 5, 1 / 5]),
    ],
)
def test_rates_of_the_schedule_are_counted_over_the_run_or_over_each_stage(
    toy_trainer: Callable[..., Trainer],
    restart: str,
    expected: Sequence[float],
    feeds_of: FeedsOf,
) -> None:
    stages = {"strategy": "stages", "tasks": {"knowledge_masking": {"steps": [3, 5]}}}
    rate = {"peak": 2.0, "warmup_steps": 2, "restart": restart}
    trainer = toy_trainer(plan=stages, train=TRAIN | {"learning_rate": rate})
    assert [step.learning_rate / 2.0 for step, _ in feeds_of(trainer)] == pytest.approx(expected)
