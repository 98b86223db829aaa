"""Prefetching."""

import threading
import time
from collections.abc import Iterator

import pytest

from ernie_paddle.data.prefetch import prefetch


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(prefetch(iter(range(100)), 3)) == list(range(100))
    assert prefetch_threads() == []


def test_at_most_depth_items_are_prefetched() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            made.append(item)
            yield item

    ahead = prefetch(items(), 4)
    assert next(ahead) == 0
    time.sleep(0.3)
    assert 2 <= len(made) <= 1 + 4 + 1  # one consumed, four in the queue, one to be put there
    ahead.close()  # type: ignore[attr-defined]
    assert prefetch_threads() == []


def test_an_exception_is_raised_in_the_place_of_its_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("lost")

    ahead = prefetch(items(), 4)
    assert next(ahead) == 1
    with pytest.raises(KeyError, match="lost"):
        next(ahead)
    assert prefetch_threads() == []
