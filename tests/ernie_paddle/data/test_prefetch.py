"""Preparing ahead."""

import threading
import time
from collections.abc import Iterator

import pytest

from ernie_paddle.data.prefetch import prefetched


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(prefetched(iter(range(100)), 3)) == list(range(100))
    assert prefetch_threads() == []


def test_no_more_than_depth_items_are_made_ahead() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            made.append(item)
            yield item

    ahead = prefetched(items(), 4)
    assert next(ahead) == 0
    time.sleep(0.3)
    assert 2 <= len(made) <= 1 + 4 + 1  # one taken, four waiting, one in hand
    ahead.close()  # type: ignore[attr-defined]
    assert prefetch_threads() == []


def test_an_exception_comes_where_its_item_would_have() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("lost")

    ahead = prefetched(items(), 4)
    assert next(ahead) == 1
    with pytest.raises(KeyError, match="lost"):
        next(ahead)
    assert prefetch_threads() == []
