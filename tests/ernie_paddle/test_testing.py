"""The check of tasks: it passes what is learnt and names what is not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeds import Feed
from ernie_paddle.data.schema import Column
from ernie_paddle.keyed_random import generator
from ernie_paddle.task import Labels, SentenceClassificationObjective, Task, TokenClassificationObjective
from ernie_paddle.testing import check_task, toy_samples, toy_vocabulary, write_toy_shards
from ernie_paddle.text.vocabulary import Vocabulary

NAMES = ("a", "b", "c")
SENTENCE = Column("label", "sentence", NAMES, "int16")
TOKEN = Column("kind", "token", NAMES)


def test_labels_of_toy_samples_follow_from_their_words() -> None:
    vocabulary = toy_vocabulary()
    samples = toy_samples(generator(1, "test"), 40, [SENTENCE, TOKEN], vocabulary)
    ids, starts = samples.columns["input_ids"], np.cumsum(samples.lengths) - samples.lengths
    assert (ids[starts] == vocabulary.cls_id).all() and (ids[starts + samples.lengths - 1] == vocabulary.sep_id).all()
    assert (ids[starts + 1] - 5 == samples.sample_columns["label"]).all()
    special = np.isin(ids, [vocabulary.cls_id, vocabulary.sep_id])
    assert (samples.columns["kind"] == np.where(special, -1, ids % 3)).all()
    assert (
        set(samples.sample_columns["label"]) == {0, 1, 2} and 6 <= samples.lengths.min() < samples.lengths.max() <= 24
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    unnamed = replace(SENTENCE, labels=())
    tasks = {
        "sentence": [SENTENCE],
        "token": [TOKEN],
        "unnamed": [unnamed],
        "one class": [replace(SENTENCE, labels=("a",))],
    }
    return write_toy_shards(tmp_path_factory.mktemp("shards"), tasks)


class Sentence(SentenceClassificationObjective):
    """An objective whose labels are changed in a copy of those of the samples."""

    def __init__(self, change: Callable[[Labels, int], Labels] = lambda labels, key: labels):
        super().__init__(NAMES, head="sentence_fc")
        self.change = change

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        return self.change(super().label(batch, vocabulary, key), key)


class InPlace(Sentence):
    """An objective that masks the token ids of the samples, not a copy of them."""

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        batch.columns["input_ids"][3] = vocabulary.mask_id
        return super().label(batch, vocabulary, key)


def with_classes(labels: Labels, classes: np.ndarray, **feeds: np.ndarray) -> Labels:
    return Labels(labels.selected, {"sentence_fc_label": classes, **feeds}, classes)


def test_tasks_of_both_levels_learn_toy_samples(shards: Path) -> None:
    for task in (
        Task("sentence", 7, Sentence()),
        Task("token", 20, TokenClassificationObjective(None, "kind", "kind_fc")),
    ):
        score = check_task(task, shards)
        assert score.accuracy > 0.95 and score.unigram_loss is not None and score.loss < 0.3 * score.unigram_loss


unseeded = np.random.default_rng()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda labels, key: with_classes(labels, unseeded.integers(0, 3, len(labels.classes))),
            "the same batch and key give other 'sentence_fc_label'; derive all randomness from `key`",
        ),
        (lambda labels, key: with_classes(labels, labels.classes + 1), "label 3, expected -1 to 2"),
        (lambda labels, key: with_classes(labels, labels.classes - 2), "label -2, expected -1 to 2"),
        (lambda labels, key: with_classes(labels, np.full_like(labels.classes, -1)), "no sample has a label"),
        (lambda labels, key: with_classes(labels, labels.classes.astype(np.int32)), "is int32 with 1 axes, declared"),
        (lambda labels, key: with_classes(labels, labels.classes, more=labels.classes), "`feeds` declares .*, `label`"),
        (lambda labels, key: replace(labels, selected=labels.selected + 10_000), "`selected` has 32 tokens, expected"),
        (
            lambda labels, key: with_classes(labels, generator(key, "x").integers(0, 3, len(labels.classes))),
            "not learnt after 30 steps",
        ),
    ],
)
def test_a_mistake_of_an_objective_is_named(
    shards: Path, change: Callable[[Labels, int], Labels], message: str
) -> None:
    with pytest.raises(AssertionError, match=f"^task 'sentence': .*{message}"):
        check_task(Task("sentence", 7, Sentence(change)), shards, steps=30)


class Forgetful(Sentence):
    """An objective that declares a feed and does not return it."""

    def feeds(self) -> tuple[Feed, ...]:
        return (*super().feeds(), Feed("more", (-1,), "int64"))


class TwoHeads(Sentence):
    """An objective with a layer that it does not name among its heads."""

    def logits(self, network: Any, outputs: Any) -> Any:
        return super().logits(network, network.hidden_layer(outputs, 64, "unnamed_fc"))


def test_a_feed_or_a_head_that_is_missing_and_changed_samples_are_named(shards: Path) -> None:
    with pytest.raises(AssertionError, match=r"`feeds` declares .*'more'.*, `label` returns .'sentence_fc_label'"):
        check_task(Task("sentence", 7, Forgetful()), shards)
    with pytest.raises(AssertionError, match="`label` changes the samples in place"):
        check_task(Task("sentence", 7, InPlace()), shards)
    with pytest.raises(AssertionError, match=r"^task 'sentence': .*unnamed_fc\.[wb]_0, which is not of its `heads`"):
        check_task(Task("sentence", 7, TwoHeads()), shards)


def test_samples_that_do_not_fit_the_task_are_named(shards: Path) -> None:
    one = Task("unnamed", 7, SentenceClassificationObjective(["a"], head="sentence_fc"))
    with pytest.raises(AssertionError, match=r"'unnamed': .*found label 1, but the task 'unnamed' has 1 classes"):
        check_task(one, shards)
    column = Task("sentence", 7, SentenceClassificationObjective(NAMES, head="sentence_fc", column="stars"))
    with pytest.raises(AssertionError, match="needs the sentence-level column 'stars'"):
        check_task(column, shards)
    with pytest.raises(AssertionError, match=r"'nowhere': .*manifest"):
        check_task(Task("nowhere", 7, Sentence()), shards)
    with pytest.raises(AssertionError, match="all labels are the same"):
        check_task(Task("one class", 7, SentenceClassificationObjective(["a"], head="sentence_fc")), shards, steps=1)
