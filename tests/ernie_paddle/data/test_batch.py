"""Batches of packed samples, their padded layout, and the feeds made of them."""

import numpy as np

from ernie_paddle.data.batch import Batch, PaddedLayout
from ernie_paddle.data.feeding import encoder_feed, feed_of
from ernie_paddle.data.feeds import ENCODER_FEEDS
from ernie_paddle.data.samples import SEQUENCE_STARTS, SampleBlock
from ernie_paddle.registry import load_plugins
from ernie_paddle.task import Labels, SentenceClassificationObjective, pad_labels
from ernie_paddle.text.vocabulary import Vocabulary


def block_of(lengths: list[int]) -> SampleBlock:
    return SampleBlock(np.array(lengths), {"input_ids": np.arange(10, 10 + sum(lengths))})


def test_tokens_know_their_sample_and_their_place_in_it() -> None:
    batch = Batch.of(block_of([3, 1, 2]), np.array([7, 8, 9]))
    assert batch.first_tokens.tolist() == [0, 3, 4]
    assert batch.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert batch.row_of_token.tolist() == [7, 7, 7, 8, 9, 9]


def test_a_sample_may_be_several_sequences_each_with_places_from_0() -> None:
    block = block_of([5, 2, 4])
    block.columns[SEQUENCE_STARTS] = np.array([1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1], np.int8)
    batch = Batch.of(block, np.array([7, 8, 9]))
    assert batch.sequences.tolist() == [2, 1, 3] and batch.lengths.tolist() == [3, 2, 2, 1, 2, 1]
    assert batch.positions.tolist() == [0, 1, 2, 0, 1, 0, 1, 0, 0, 1, 0]
    assert batch.row_of_token.tolist() == [7] * 5 + [8] * 2 + [9] * 4


class Drawing(SentenceClassificationObjective):
    """An objective whose labels are the key with which they were sampled."""

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        return Labels(np.array([0]), {self.head: np.array([key])}, np.array([key]))


def test_each_task_of_a_batch_draws_by_itself(toy_vocabulary: Vocabulary) -> None:
    def keys(key: int) -> list[int]:
        objectives = {name: Drawing(None, head=name) for name in ("a", "b")}
        _, classes = feed_of(Batch.of(block_of([3, 1]), np.arange(2)), objectives, toy_vocabulary, key)
        return [int(ids[0]) for ids in classes]

    assert len({*keys(1), *keys(2)}) == 4 and keys(1) == keys(1)


def test_programs_are_fed_the_masked_tokens_of_a_batch(toy_vocabulary: Vocabulary) -> None:
    tasks = load_plugins().pretraining_tasks
    objectives = {name: tasks.get(name).objective for name in ("sentence_distance", "knowledge_masking")}
    block = SampleBlock(
        np.full(50, 20),
        {"input_ids": np.tile(np.arange(1, 21), 50), "bi_tags": np.tile([-1, *[0] * 18, -1], 50)},
        {"label": np.arange(50, dtype=np.int16) % 3},
    )
    block.columns["sentence_ids"][:] = np.tile(np.repeat([0, 1], 10), 50)
    micro_batch, classes = feed_of(Batch.of(block, np.arange(100, 150)), objectives, toy_vocabulary, 1)
    feed, ids = micro_batch.feed, block.columns["input_ids"]
    predicted = feed["selected"][feed["knowledge_masking@selected"]][feed["mask_labels"] >= 0]
    assert (ids[predicted] == feed["mask_labels"][feed["mask_labels"] >= 0]).all()
    assert (feed["input_ids"][predicted] == toy_vocabulary.mask_id).mean() > 0.6
    assert (np.delete(feed["input_ids"], predicted) == np.delete(ids, predicted)).all()
    assert (feed["position_ids"] == np.tile(np.arange(20), 50)).all()
    assert (feed["sentence_ids"] == np.tile(np.repeat([0, 1], 10), 50)).all()
    assert (feed["selected"][feed["sentence_distance@selected"]] == np.arange(50) * 20).all()
    assert (micro_batch.tokens, micro_batch.padded_tokens) == (1000, 50 * 24) and (
        micro_batch.rows == np.arange(100, 150)
    ).all()
    assert (classes[0] == block.sample_columns["label"]).all() and (classes[1] == feed["mask_labels"]).all()


def test_a_padded_layout_holds_every_token_once_in_the_row_of_its_sequence() -> None:
    for lengths in ([3, 1, 5], [1], [0, 2], [8, 16, 9], [1, 1]):
        layout = PaddedLayout.of(np.array(lengths))
        width = layout.padded_to_token.shape[1]
        assert width == 1 if max(lengths) == 1 else width % 8 == 0 and max(lengths) <= width < max(lengths) + 8
        for row, length in zip(layout.padded_to_token, lengths, strict=True):
            assert (row[:length] >= 0).all() and (row[length:] == -1).all()
        tokens = layout.padded_to_token[layout.padded_to_token >= 0]
        assert tokens.tolist() == list(range(sum(lengths)))
        assert (layout.padded_to_token.ravel()[layout.token_to_padded] == tokens).all()
    ids = PaddedLayout.of(np.array([3, 1])).pad(np.arange(10, 14), padding=4)
    assert ids.tolist() == [[10, 11, 12, 4, 4, 4, 4, 4], [13, 4, 4, 4, 4, 4, 4, 4]]


def test_a_feed_selects_the_tokens_that_tasks_read_and_the_first_of_each_sequence() -> None:
    batch = Batch.of(block_of([3, 1, 5]), np.arange(3))
    selected = {"a": np.array([8, 2, 2]), "b": np.array([4, 2, 5])}
    feed = encoder_feed(batch, {name: Labels(tokens, {}, tokens) for name, tokens in selected.items()})
    assert feed["selected"].tolist() == [0, 2, 3, 4, 5, 8]
    assert all((feed["selected"][feed[f"{name}@selected"]] == tokens).all() for name, tokens in selected.items())
    assert (feed["padded_to_selected"][:, :3] == [[0, 1, -1], [2, -1, -1], [3, 4, 5]]).all()
    assert set(feed) == {declared.name for declared in ENCODER_FEEDS} | {"a@selected", "b@selected"}


def test_labels_are_padded_to_a_positive_multiple_of_8() -> None:
    for count in (0, 1, 8, 11):
        tokens, classes = pad_labels(np.arange(count), np.zeros(count, np.int64))
        assert len(tokens) == len(classes) == max(-(-count // 8) * 8, 8)
        assert (classes[count:] == -1).all() and (classes[:count] == 0).all()
