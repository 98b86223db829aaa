"""Sentence reordering (paper section 4.2.2): predict the original order of shuffled segments.

A run of sentences is cut into n segments, 1 <= n <= m, which are shuffled. The classes are all pairs (n, permutation):
first n = 1, then the permutations of 2 segments in lexicographic order, then of 3, and so on: 1! + 2! + 3! = 9 classes
for m = 3. `permutation[i]` is the position in the text of segment i of the sample.

A sample reveals n. Guessing among the orders of n segments is right in 3 of 9 samples (m = 3), not in 1 of 9.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import permutations
from math import factorial
from typing import ClassVar

import numpy as np
from pydantic import Field

from data_builders.annotation.document import AnnotatedDocument
from data_builders.builders.builder import Pool, SampleBuilder, SampleDraft, balanced_labels
from ernie_paddle.config import Settings


class SentenceReorderingOptions(Settings):
    """Options of the builder."""

    most_segments: int = Field(default=3, ge=2, le=4)
    """Segments of a sample at most, the paper's m."""


class SentenceReorderingBuilder(SampleBuilder):
    """A builder of `[CLS] segment [SEP] segment [SEP] ...` from one document with all classes in equal shares."""

    name: ClassVar[str] = "sentence_reordering"
    version: ClassVar[int] = 3
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    Options: ClassVar[type[Settings]] = SentenceReorderingOptions

    @property
    def min_sentences(self) -> int:
        return int(self.options.most_segments)

    @cached_property
    def _orders(self) -> list[tuple[int, ...]]:
        return [permutation_of(label) for label in range(class_count(self.options.most_segments))]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(" ".join(str(position + 1) for position in order) for order in self._orders)

    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: Pool, random: np.random.Generator, dropped: Counter[str]
    ) -> list[SampleDraft]:
        most = self.options.most_segments
        runs: list[tuple[AnnotatedDocument, int, int]] = []
        for document in documents:
            document_runs = sentence_runs(document.bounds, most, self.max_length - 1 - most)
            runs += ((document, first, after) for first, after in document_runs)
            if document.sentences < most:
                dropped[f"fewer than {most} sentences"] += 1
            elif not document_runs:
                dropped[f"no {most} consecutive sentences within {self.max_length} tokens"] += 1
        labels = balanced_labels(len(runs), class_count(most), random).tolist()
        values = random.random((len(runs), most - 1)).tolist()
        return [self._draft(*run, label, cuts) for run, label, cuts in zip(runs, labels, values, strict=True)]

    def _draft(self, document: AnnotatedDocument, first: int, after: int, label: int, cuts: list[float]) -> SampleDraft:
        """Cut sentences `first` to `after` at the uniform values `cuts` in [0, 1), and order the segments."""
        order = self._orders[label]
        inner: list[int] = []
        for cut in range(len(order) - 1):  # sample one more boundary from those not sampled yet
            boundary = first + 1 + int(cuts[cut] * (after - first - 1 - cut))
            for sampled in inner:
                boundary += sampled <= boundary
            inner = sorted([*inner, boundary])
        bounds = document.bounds[[first, *inner, after]].tolist()
        return SampleDraft([document.columns.part(bounds[i], bounds[i + 1]) for i in order], label)


def sentence_runs(bounds: np.ndarray, least: int, limit: int) -> list[tuple[int, int]]:
    """Return runs `(first sentence, sentence after the last)` of at least `least` sentences and at most `limit` tokens.

    The runs do not overlap, and each has as many sentences as fit.
    """
    runs, first = [], 0
    offsets = bounds.tolist()
    while first + least < len(offsets):
        after = bisect_right(offsets, offsets[first] + limit, first) - 1
        if after - first >= least:
            runs.append((first, after))
            first = after
        else:
            first += 1
    return runs


def class_count(most_segments: int) -> int:
    """Return the number of classes, the sum of n! for n = 1..m."""
    return sum(factorial(n) for n in range(1, most_segments + 1))


def class_of(permutation: tuple[int, ...]) -> int:
    """Return the class of an order of segments."""
    count = len(permutation)
    return class_count(count - 1) + list(permutations(range(count))).index(tuple(permutation))


def permutation_of(label: int) -> tuple[int, ...]:
    """Return the order of segments of a class; the inverse of `class_of`."""
    count = 1
    while label >= class_count(count):
        count += 1
    return list(permutations(range(count)))[label - class_count(count - 1)]
