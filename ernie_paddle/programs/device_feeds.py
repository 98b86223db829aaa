"""Feeds that are copied to the device ahead of their use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
import paddle

from ernie_paddle.data.feeds import Feed
from ernie_paddle.programs.building import declare_inputs, new_program


class DeviceFeeds:
    """A queue of arrays on their way to the device.

    Paddle's reader copies them from pinned memory on a stream of its own. If the executor copied them, the process
    would wait for all work of the device each time.
    """

    def __init__(self, feeds: Sequence[Feed], place: Any):
        self._names = [feed.name for feed in feeds]
        self._queue: SimpleQueue[tuple[np.ndarray, ...]] = SimpleQueue()
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
    """The arrays of a queue, without end."""

    def __init__(self, queue: "SimpleQueue[tuple[np.ndarray, ...]]"):
        self._queue = queue

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        while True:
            yield self._queue.get()
