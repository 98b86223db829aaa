"""Feeds that are copied to the device ahead of their use."""

import atexit
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeAlias

import numpy as np
import paddle

from ernie_paddle.data.feeds import Feed
from ernie_paddle.programs.building import declare_inputs, new_program

ArrayQueue: TypeAlias = "SimpleQueue[tuple[np.ndarray, ...] | None]"


class DeviceFeeds:
    """A queue of arrays on their way to the device.

    Paddle's reader copies them from pinned memory on a stream of its own. If the executor copied them, the process
    would wait for all work of the device each time.
    """

    def __init__(self, feeds: Sequence[Feed], place: Any):
        self._names = [feed.name for feed in feeds]
        self._queue: ArrayQueue = SimpleQueue()
        with new_program() as self._main:
            declared = declare_inputs(feeds)
            loader = paddle.io.DataLoader(
                _Arrays(self._queue),
                feed_list=list(declared.values()),
                places=[place],
                return_list=False,
                batch_size=None,  # type: ignore[arg-type]
                use_buffer_reader=True,
            )
            self._reader = iter(loader)
        # Paddle joins its reader's thread at exit, or when the reader is deleted: it would wait for arrays forever.
        end = weakref.finalize(self, self._queue.put, None)
        atexit.register(end)  # later than Paddle's own function, so that it is called earlier

    def put(self, arrays: Mapping[str, np.ndarray]) -> "StagedFeed":
        """Send arrays to the device."""
        self._queue.put(tuple(arrays[name] for name in self._names))
        return StagedFeed(self)

    def take(self) -> dict[str, Any]:
        """Return the arrays that were put first, as tensors on the device."""
        (tensors,) = next(self._reader)
        return tensors


@dataclass(frozen=True)
class StagedFeed:
    """The arrays of a micro-batch on their way to the device. They are taken once, in the order of putting."""

    feeds: DeviceFeeds

    def take(self) -> dict[str, Any]:
        """Return the tensors by name."""
        return self.feeds.take()


class _Arrays(paddle.io.IterableDataset):
    """The arrays of a queue, up to None."""

    def __init__(self, queue: ArrayQueue):
        self._queue = queue

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        while (arrays := self._queue.get()) is not None:
            yield arrays
