"""Padding samples to a rectangle, and preparing ahead."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from ernie_paddle.data.batch import collate
from ernie_paddle.data.prefetch import prefetched
from ernie_paddle.data.samples import SampleBlock


def test_padding_keeps_every_token_in_its_place() -> None:
    lengths = np.array([3, 1, 5])
    block = SampleBlock(lengths, {"input_ids": np.arange(10, 19), "span_codes": np.zeros(9)})
    batch = collate(block, np.array([7, 8, 9]), pad_id=4, length_multiple=4)
    assert batch.columns["input_ids"].tolist() == [
        [10, 11, 12, 4, 4, 4, 4, 4],
        [13, 4, 4, 4, 4, 4, 4, 4],
        [14, 15, 16, 17, 18, 4, 4, 4],
    ]
    assert (batch.columns["span_codes"][0] == [0, 0, 0, -1, -1, -1, -1, -1]).all()
    assert not batch.columns["sentence_ids"].any()
    assert (batch.tokens, batch.padded_tokens) == (9, 24)


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
