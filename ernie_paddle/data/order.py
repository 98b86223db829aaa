"""The order of batches, a pure function of seed, name and epoch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ernie_paddle.keyed_random import generator


@dataclass(frozen=True)
class Cursor:
    """The next batch: its epoch and its index within the epoch."""

    epoch: int = 0
    batch: int = 0


NO_LIMIT = 1 << 40
LEAST_EPOCH = 1 << 16  # samples of an epoch, if there are as many: shorter ones would often end with a small batch


@dataclass(frozen=True)
class BatchSize:
    """The limits of a batch: its samples, and its padded tokens (samples x length of the longest)."""

    samples: int
    tokens: int


@dataclass(frozen=True)
class MixedCorpus:
    """A corpus of a mixture: its samples, which stand together in the table, and how many of them an epoch draws.

    Epochs draw whole samples, so that after any number of epochs the total is within one half of that many times
    `per_epoch`.
    """

    name: str
    samples: int
    per_epoch: float

    def draws(self, epoch: int) -> range:
        """Return the numbers of the corpus's draws in an epoch, counted from the first epoch on."""
        return range(math.floor(epoch * self.per_epoch + 0.5), math.floor((epoch + 1) * self.per_epoch + 0.5))


def mixture(
    samples: Mapping[str, int],
    weights: Mapping[str, float] = MappingProxyType({}),
    temperature: float = 1.0,
    shares: Mapping[str, float] = MappingProxyType({}),
) -> tuple[MixedCorpus, ...]:
    """Return the mixture of corpora with so many samples, in their order; at least one has samples and a weight.

    The share of a corpus is proportional to (samples x weight) ** (1 / temperature), with a weight of 1 for those that
    `weights` does not name (temperature-scaled mixing: multilingual BERT; T5, arXiv 1910.10683, section 3.5.2). An
    epoch ends when the corpus that is drawn most often is through. It has `LEAST_EPOCH` samples at least, or as
    many as there are, even if some are drawn several times then. With weights of 1 and a temperature of 1, it has each
    sample once.

    `shares` are those of folders of samples: the corpora `folder/name` of a folder then have, together, a share in
    proportion to it.
    """
    masses = {name: (count * weights.get(name, 1.0)) ** (1 / temperature) for name, count in samples.items()}
    for folder, share in shares.items():
        inside = [name for name in masses if name.startswith(f"{folder}/") and masses[name]]
        factor = share / sum(masses[name] for name in inside) if inside else 0.0
        masses |= {name: masses[name] * factor for name in inside}
    fractions = {name: mass / sum(masses.values()) for name, mass in masses.items()}
    drawn = [name for name, fraction in fractions.items() if fraction]
    once = min(samples[name] / fractions[name] for name in drawn)
    size = max(once, min(LEAST_EPOCH, sum(samples[name] for name in drawn)))
    return tuple(MixedCorpus(name, count, fractions[name] * size) for name, count in samples.items())


class BatchOrder:
    """Shuffled batches.

    Each epoch permutes all samples, or those that a `mixture` of corpora draws, and cuts them into batches of at most
    `size`. With `group_by_length`, chunks of `pool` samples are sorted by length before they are cut, and the batches
    are shuffled again.

    The draws of a corpus follow a fixed permutation of its samples, again and again. However many epochs were drawn,
    the numbers of times that its samples were drawn therefore differ by one at most.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        size: BatchSize,
        seed: int,
        name: str,
        group_by_length: bool = True,
        pool: int = 4096,
        corpora: Sequence[MixedCorpus] = (),
    ):
        """`corpora` are those of the samples, in their order; by default, there is one that is drawn once an epoch."""
        self.lengths = lengths
        self.size = size
        self.group_by_length = group_by_length
        self.seed = seed
        self.name = name
        self.pool = pool
        self.corpora = corpora or (MixedCorpus("", len(lengths), len(lengths)),)
        self._current: tuple[int, list[np.ndarray]] = (-1, [])
        self._permutations: dict[str, np.ndarray] = {}

    def batch(self, cursor: Cursor) -> np.ndarray:
        """Return the draws of the batch at the cursor.

        A draw is the row number of a sample. Where an epoch of a mixture draws a sample again, it is the row number
        plus a multiple of the number of samples, so that it is unique in the epoch: it may key what is random.
        """
        return self._epoch(cursor.epoch)[cursor.batch]

    def rows(self, draws: np.ndarray) -> np.ndarray:
        """Return the row numbers of draws."""
        return draws % len(self.lengths)

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
        draws = self._draws_of_epoch(epoch)
        random.shuffle(draws)
        if not self.group_by_length:
            return self._cut(draws, np.arange(len(draws)))
        batches: list[np.ndarray] = []
        for start in range(0, len(draws), self.pool):
            pool = draws[start : start + self.pool]
            batches += self._cut(pool, np.argsort(self.lengths[self.rows(pool)], kind="stable"))
        return [batches[i] for i in random.permutation(len(batches))]

    def _cut(self, draws: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
        """Cut draws into batches, in an order of their indices."""
        return [draws[batch] for batch in cut_batches(order, self.lengths[self.rows(draws)], self.size)]

    def _draws_of_epoch(self, epoch: int) -> np.ndarray:
        """Return the draws of an epoch, corpus by corpus."""
        firsts = np.cumsum([0, *(corpus.samples for corpus in self.corpora)])
        return np.concatenate(
            [self._draws_of(corpus, epoch) + first for corpus, first in zip(self.corpora, firsts, strict=False)]
        )

    def _draws_of(self, corpus: MixedCorpus, epoch: int) -> np.ndarray:
        """Return the draws of a corpus in an epoch, whose first row has the number 0."""
        numbers, samples = corpus.draws(epoch), max(corpus.samples, 1)
        passes, rest = divmod(len(numbers), samples)
        whole = (np.arange(samples) + len(self.lengths) * i for i in range(passes))
        if not rest:
            return np.concatenate([np.empty(0, np.int64), *whole])
        rows = self._permutation(corpus)[(numbers.start + np.arange(rest)) % samples]
        return np.concatenate([*whole, rows + len(self.lengths) * passes])

    def _permutation(self, corpus: MixedCorpus) -> np.ndarray:
        if corpus.name not in self._permutations:
            random = generator(self.seed, "corpus order", self.name, corpus.name)
            self._permutations[corpus.name] = random.permutation(corpus.samples)
        return self._permutations[corpus.name]


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
