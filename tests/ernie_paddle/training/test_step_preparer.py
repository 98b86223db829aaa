"""Preparing steps: what the labels of a sample depend on, and how ranks share the micro-batches."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from ernie_paddle.data.order import Cursor, mixture
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import LearningRateSettings, TrainSettings
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.stage_plan import PlannedStep
from ernie_paddle.training.steps import PreparedStep, StepPreparer, TaskData

SAMPLES, LENGTH = 40, 32
TRAIN = TrainSettings(batch_samples=4, accumulation=5, learning_rate=LearningRateSettings(peak=1.0))
EPOCH = SAMPLES // (4 * 5)  # steps of one


@pytest.fixture(scope="module")
def data() -> TaskData:
    ids = np.tile([1, *range(5, 5 + LENGTH - 2), 2], SAMPLES)
    bi_tags = np.tile([-1, *[0] * (LENGTH - 2), -1], SAMPLES)
    labels = np.arange(SAMPLES, dtype=np.int16) % 3
    block = SampleBlock(np.full(SAMPLES, LENGTH), {"input_ids": ids, "bi_tags": bi_tags}, {"label": labels})
    return TaskData(SampleTable([block]), {}, frozenset(["bi_tags"]))


def prepared(
    data: TaskData, vocabulary: Vocabulary, *tasks: str, train: TrainSettings = TRAIN, ranks: Ranks | None = None
) -> list[PreparedStep]:
    """Return the prepared steps of two epochs of the first task, with the others as auxiliary tasks."""
    registered = load_plugins().pretraining_tasks
    combination: tuple[Task, ...] = tuple(registered.get(name) for name in tasks)
    preparer = StepPreparer(train, vocabulary, {tasks[0]: data}, lambda planned: combination, ranks or Ranks())
    planned = (PlannedStep(number, 0, tasks[0]) for number in range(1, 2 * EPOCH + 1))
    return list(preparer.prepare_all(planned, {}))


def masks(steps: list[PreparedStep]) -> dict[int, tuple[int, ...]]:
    """Return the masked positions of each sample by its row."""
    found: dict[int, tuple[int, ...]] = {}
    for step in steps:
        for micro_batch in step.micro_batches.values():
            feed = micro_batch.feed
            chosen = feed["selected"][feed["knowledge_masking@selected"]][feed["mask_labels"] >= 0]
            for number, row in enumerate(micro_batch.rows.tolist()):
                assert row not in found
                found[row] = tuple(sorted((chosen[chosen // LENGTH == number] % LENGTH).tolist()))
    return found


def test_seed_task_and_epoch_key_the_masks_and_the_order_of_samples(data: TaskData, toy_vocabulary: Vocabulary) -> None:
    alone = prepared(data, toy_vocabulary, "knowledge_masking")
    distance = prepared(data, toy_vocabulary, "sentence_distance", "knowledge_masking")
    other_seed = prepared(data, toy_vocabulary, "knowledge_masking", train=TRAIN.model_copy(update={"seed": 2}))
    variants = [masks(alone[:EPOCH]), masks(alone[EPOCH:]), masks(distance[:EPOCH]), masks(other_seed[:EPOCH])]
    for number, found in enumerate(variants):
        assert len(found) == SAMPLES and len(set(found.values())) > 0.9 * SAMPLES, "equal samples have different masks"
        for other in variants[:number]:
            assert sum(found[row] == other[row] for row in found) < 0.1 * SAMPLES
            assert list(found) != list(other), "nor do they come in the same order"


def test_batches_do_not_change_the_masks_of_a_sample(data: TaskData, toy_vocabulary: Vocabulary) -> None:
    larger = TRAIN.model_copy(update={"batch_samples": 8, "accumulation": 1, "group_by_length": False})
    expected = masks(prepared(data, toy_vocabulary, "knowledge_masking")[:EPOCH])
    found = masks(prepared(data, toy_vocabulary, "knowledge_masking", train=larger))
    assert found.items() <= expected.items() and len(found) == 32


def test_ranks_share_the_micro_batches_of_one(data: TaskData, toy_vocabulary: Vocabulary) -> None:
    tasks = ("sentence_distance", "knowledge_masking")
    alone = prepared(data, toy_vocabulary, *tasks)
    for world in (2, 3, 5):
        shared = [prepared(data, toy_vocabulary, *tasks, ranks=Ranks(rank, world)) for rank in range(world)]
        for whole, *parts in zip(alone, *shared, strict=True):
            numbers = [number for part in parts for number in part.micro_batches]
            assert sorted(numbers) == list(range(5)) and list(whole.micro_batches) == list(range(5))
            assert sum(part.label_counts for part in parts).tolist() == whole.label_counts.tolist()
            for part in parts:
                assert (part.planned, part.cursor) == (whole.planned, whole.cursor)
                for number, micro_batch in part.micro_batches.items():
                    expected = whole.micro_batches[number].feed
                    assert expected.keys() == micro_batch.feed.keys()
                    assert all((micro_batch.feed[name] == expected[name]).all() for name in expected)


def test_steps_count_the_labels_of_each_task_and_say_where_the_samples_continue(
    data: TaskData, toy_vocabulary: Vocabulary
) -> None:
    steps = prepared(data, toy_vocabulary, "sentence_distance", "knowledge_masking")
    for step in steps:
        feeds = [micro_batch.feed for micro_batch in step.micro_batches.values()]
        masked = sum(int((feed["mask_labels"] >= 0).sum()) for feed in feeds)
        assert step.label_counts.tolist() == [4 * 5, masked]
    assert [step.cursor for step in steps] == [Cursor(0, 5), Cursor(1, 0), Cursor(1, 5), Cursor(2, 0)]


MIXTURE = mixture({"large": 32, "small": 8}, {"small": 4})  # 20 draws of each in an epoch


def test_a_sample_that_an_epoch_of_a_mixture_repeats_gets_new_masks(data: TaskData, toy_vocabulary: Vocabulary) -> None:
    steps = prepared(replace(data, corpora=MIXTURE), toy_vocabulary, "sentence_distance", "knowledge_masking")[:EPOCH]
    by_row = defaultdict(list)
    for draw, positions in masks(steps).items():
        by_row[draw % SAMPLES].append(positions)
    assert sum(map(len, by_row.values())) == SAMPLES
    assert sorted(len(by_row[row]) for row in range(32, 40)) == [2] * 4 + [3] * 4
    assert sum(len(by_row[row]) for row in range(32)) == 20
    assert all(len({*repeated}) == len(repeated) for repeated in by_row.values())
    feed = load_plugins().pretraining_tasks.get("sentence_distance").objective.feeds()[0].name
    for micro_batch in (micro_batch for step in steps for micro_batch in step.micro_batches.values()):
        assert (micro_batch.feed[feed] == micro_batch.rows % SAMPLES % 3).all(), "labels of the same samples"


def test_steps_of_a_mixture_resume_at_any_cursor_and_are_shared_by_ranks(
    data: TaskData, toy_vocabulary: Vocabulary
) -> None:
    mixed = replace(data, corpora=MIXTURE)
    straight = prepared(mixed, toy_vocabulary, "knowledge_masking")
    task = load_plugins().pretraining_tasks.get("knowledge_masking")
    for done in range(1, len(straight)):
        preparer = StepPreparer(TRAIN, toy_vocabulary, {task.name: mixed}, lambda _: (task,), Ranks())
        left = (step.planned for step in straight[done:])
        resumed = preparer.prepare_all(left, {task.name: straight[done - 1].cursor})
        assert [masks([step]) for step in resumed] == [masks([step]) for step in straight[done:]]
    shared = [prepared(mixed, toy_vocabulary, "knowledge_masking", ranks=Ranks(rank, 3)) for rank in range(3)]
    for whole, *parts in zip(straight, *shared, strict=True):
        together = {number: batch for part in parts for number, batch in part.micro_batches.items()}
        assert together.keys() == whole.micro_batches.keys()
        assert all((batch.rows == whole.micro_batches[number].rows).all() for number, batch in together.items())
