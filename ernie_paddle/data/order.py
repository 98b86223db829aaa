"""The order of batches: a pure function of seed, name and epoch."""

from dataclasses import dataclass

import numpy as np

from ernie_paddle.keyed_random import generator


@dataclass(frozen=True)
class Cursor:
    """The next batch to take: its epoch and its number within the epoch."""

    epoch: int = 0
    batch: int = 0


class BatchOrder:
    """Shuffled batches of samples of similar length.

    Each epoch is a permutation of all samples. Stretches of `pool` samples are sorted by length and cut into
    batches whose padded size, samples x longest, stays within `batch_tokens`; then the batches are shuffled.
    """

    def __init__(self, lengths: np.ndarray, batch_tokens: int, seed: int, name: str, pool: int = 4096):
        self.lengths = lengths
        self.batch_tokens = batch_tokens
        self.seed = seed
        self.name = name
        self.pool = pool
        self._current: tuple[int, list[np.ndarray]] = (-1, [])

    def batch(self, cursor: Cursor) -> np.ndarray:
        """Row numbers of the batch at the cursor."""
        return self._epoch(cursor.epoch)[cursor.batch]

    def after(self, cursor: Cursor) -> Cursor:
        """The cursor of the batch that follows."""
        if cursor.batch + 1 < len(self._epoch(cursor.epoch)):
            return Cursor(cursor.epoch, cursor.batch + 1)
        return Cursor(cursor.epoch + 1, 0)

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        if self._current[0] != epoch:
            self._current = (epoch, self._batches_of_epoch(epoch))
        return self._current[1]

    def _batches_of_epoch(self, epoch: int) -> list[np.ndarray]:
        random = generator(self.seed, "order", self.name, epoch)
        rows = random.permutation(len(self.lengths))
        batches: list[np.ndarray] = []
        for start in range(0, len(rows), self.pool):
            pool = rows[start : start + self.pool]
            batches += cut_by_tokens(
                pool[np.argsort(self.lengths[pool], kind="stable")], self.lengths, self.batch_tokens
            )
        return [batches[i] for i in random.permutation(len(batches))]


def cut_by_tokens(rows: np.ndarray, lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Cut rows, sorted by length, into batches of at most `batch_tokens` padded tokens (at least one row)."""
    batches, start = [], 0
    sorted_lengths = lengths[rows]
    while start < len(rows):
        padded = sorted_lengths[start : start + batch_tokens] * np.arange(1, min(batch_tokens, len(rows) - start) + 1)
        size = max(1, int(np.searchsorted(padded, batch_tokens, side="right")))
        batches.append(rows[start : start + size])
        start += size
    return batches
