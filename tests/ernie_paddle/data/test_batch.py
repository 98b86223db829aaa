"""Samples end to end, their rectangle, and preparing ahead."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from ernie_paddle.data.batch import Batch, Rectangle
from ernie_paddle.data.feeding import ENCODER_FEEDS, encoder_feed
from ernie_paddle.data.prefetch import prefetched
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.task import Labels, padded


def block_of(lengths: list[int]) -> SampleBlock:
    return SampleBlock(np.array(lengths), {"input_ids": np.arange(10, 10 + sum(lengths))})


def test_tokens_know_their_sample_and_their_place_in_it() -> None:
    batch = Batch.of(block_of([3, 1, 2]), np.array([7, 8, 9]))
    assert batch.first_tokens.tolist() == [0, 3, 4]
    assert batch.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert batch.row_of_token.tolist() == [7, 7, 7, 8, 9, 9]


def test_a_rectangle_holds_every_token_once_in_the_row_of_its_sample() -> None:
    for lengths in ([3, 1, 5], [1], [0, 2], [8, 16, 9], [1, 1]):
        cells = Rectangle.of(np.array(lengths))
        width = cells.token_of_cell.shape[1]
        assert width == 1 if max(lengths) == 1 else width % 8 == 0 and max(lengths) <= width < max(lengths) + 8
        for row, length in zip(cells.token_of_cell, lengths, strict=True):
            assert (row[:length] >= 0).all() and (row[length:] == -1).all()
        tokens = cells.token_of_cell[cells.token_of_cell >= 0]
        assert tokens.tolist() == list(range(sum(lengths)))
        assert (cells.token_of_cell.ravel()[cells.cell_of_token] == tokens).all()
    ids = Rectangle.of(np.array([3, 1])).filled(np.arange(10, 14), padding=4)
    assert ids.tolist() == [[10, 11, 12, 4, 4, 4, 4, 4], [13, 4, 4, 4, 4, 4, 4, 4]]


def test_a_feed_asks_for_the_tokens_that_tasks_read_and_no_others() -> None:
    batch = Batch.of(block_of([3, 1, 5]), np.arange(3))
    wanted = {"a": np.array([8, 2, 2]), "b": np.array([4, 2, 5])}
    feed = encoder_feed(batch, {name: Labels(tokens, {}, tokens) for name, tokens in wanted.items()})
    assert feed["outputs"].tolist() == [2, 4, 5, 8]
    assert all((feed["outputs"][feed[f"{name}@outputs"]] == tokens).all() for name, tokens in wanted.items())
    assert (feed["output_of_cell"][:, :3] == [[0, -1, -1], [-1, -1, -1], [1, 2, 3]]).all()
    assert set(feed) == {declared.name for declared in ENCODER_FEEDS} | {"a@outputs", "b@outputs"}


def test_labels_are_padded_to_a_multiple_of_8_and_are_never_none() -> None:
    for count in (0, 1, 8, 11):
        tokens, classes = padded(np.arange(count), np.zeros(count, np.int64))
        assert len(tokens) == len(classes) == max(-(-count // 8) * 8, 8)
        assert (classes[count:] == -1).all() and (classes[:count] == 0).all()


def test_prefetched_items_keep_their_order_and_errors_their_place() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise KeyError("the sixth")

    seen = []
    with pytest.raises(KeyError, match="the sixth"):
        for item in prefetched(items(), 2):
            seen.append(item)
    assert seen == list(range(5))


def test_closing_ends_the_thread_and_no_more_than_the_depth_is_made_ahead() -> None:
    made = []

    def items() -> Iterator[int]:
        for i in range(1000):
            made.append(i)
            yield i

    ahead = prefetched(items(), 3)
    assert [next(ahead) for _ in range(4)] == [0, 1, 2, 3]
    ahead.close()  # type: ignore[attr-defined]
    assert len(made) <= 4 + 3 + 2
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
