"""The order of batches, a pure function of seed, name and epoch."""

from dataclasses import dataclass

import numpy as np

from ernie_paddle.keyed_random import generator


@dataclass(frozen=True)
class Cursor:
    """The next batch: its epoch and its index within the epoch."""

    epoch: int = 0
    batch: int = 0


NO_LIMIT = 1 << 40


@dataclass(frozen=True)
class BatchSize:
    """The limits of a batch: its samples, and its padded tokens (samples x length of the longest)."""

    samples: int
    tokens: int


class BatchOrder:
    """Shuffled batches.

    Each epoch permutes all samples and cuts them into batches of at most `size`. With `group_by_length`, chunks of
    `pool` samples are sorted by length before they are cut, and the batches are shuffled again.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        size: BatchSize,
        seed: int,
        name: str,
        group_by_length: bool = True,
        pool: int = 4096,
    ):
        self.lengths = lengths
        self.size = size
        self.group_by_length = group_by_length
        self.seed = seed
        self.name = name
        self.pool = pool
        self._current: tuple[int, list[np.ndarray]] = (-1, [])

    def batch(self, cursor: Cursor) -> np.ndarray:
        """Return the row numbers of the batch at the cursor."""
        return self._epoch(cursor.epoch)[cursor.batch]

    def batches_in(self, epoch: int) -> int:
        """Return the number of batches in an epoch."""
        return len(self._epoch(epoch))

    def after(self, cursor: Cursor) -> Cursor:
        """Return the cursor of the next batch."""
        if cursor.batch + 1 < self.batches_in(cursor.epoch):
            return Cursor(cursor.epoch, cursor.batch + 1)
        return Cursor(cursor.epoch + 1, 0)

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        if self._current[0] != epoch:
            self._current = (epoch, self._batches_of_epoch(epoch))
        return self._current[1]

    def _batches_of_epoch(self, epoch: int) -> list[np.ndarray]:
        random = generator(self.seed, "order", self.name, epoch)
        rows = random.permutation(len(self.lengths))
        if not self.group_by_length:
            return cut_batches(rows, self.lengths, self.size)
        batches: list[np.ndarray] = []
        for start in range(0, len(rows), self.pool):
            pool = rows[start : start + self.pool]
            batches += cut_batches(pool[np.argsort(self.lengths[pool], kind="stable")], self.lengths, self.size)
        return [batches[i] for i in random.permutation(len(batches))]


def cut_batches(rows: np.ndarray, lengths: np.ndarray, size: BatchSize) -> list[np.ndarray]:
    """Cut rows into batches of at most `size` and at least one row, in the order of the rows."""
    batches, start = [], 0
    ordered_lengths = lengths[rows]
    while start < len(rows):
        window = ordered_lengths[start : start + min(size.samples, size.tokens)]
        padded = np.maximum.accumulate(window) * np.arange(1, len(window) + 1)
        count = max(1, int(np.searchsorted(padded, size.tokens, side="right")))
        batches.append(rows[start : start + count])
        start += count
    return batches
