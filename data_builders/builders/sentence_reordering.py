"""Sentence reordering (paper section 4.2.2): in which order did these segments stand?

A stretch of sentences is cut into n segments, 1 <= n <= m, which are put in random order. The classes are all
pairs (n, permutation): first n = 1, then the permutations of 2 segments in lexicographic order, then of 3, so
1! + 2! + 3! = 9 for m = 3. `permutation[i]` is the place in the text of the segment at place i of the sample.

The number of segments shows in the sample, so that guessing within it is right m times in 9 (m = 3), not once.
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
from data_builders.builders.builder import Draft, Pool, SampleBuilder, balanced_labels
from ernie_paddle.config import Settings


class ReorderingOptions(Settings):
    """`most_segments`: the paper's m."""

    most_segments: int = Field(default=3, ge=2, le=4)


class Builder(SampleBuilder):
    """`[CLS] segment [SEP] segment [SEP] ...` from one document; every class as often as any other."""

    name: ClassVar[str] = "sentence_reordering"
    version: ClassVar[int] = 3
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    Options: ClassVar[type[Settings]] = ReorderingOptions

    @property
    def least_sentences(self) -> int:
        return int(self.options.most_segments)

    @cached_property
    def _orders(self) -> list[tuple[int, ...]]:
        return [permutation_of(label) for label in range(class_count(self.options.most_segments))]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(" ".join(str(place + 1) for place in order) for order in self._orders)

    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: Pool, random: np.random.Generator, dropped: Counter[str]
    ) -> list[Draft]:
        most = self.options.most_segments
        runs: list[tuple[AnnotatedDocument, int, int]] = []
        for document in documents:
            found = sentence_runs(document.bounds, most, self.max_length - 1 - most)
            runs += ((document, first, last) for first, last in found)
            if not found:
                few = document.sentences < most
                dropped[
                    f"fewer than {most} sentences"
                    if few
                    else f"no {most} sentences in a row within {self.max_length} tokens"
                ] += 1
        labels = balanced_labels(len(runs), class_count(most), random).tolist()
        draws = random.random((len(runs), most - 1)).tolist()
        return [self._draft(*run, label, drawn) for run, label, drawn in zip(runs, labels, draws, strict=True)]

    def _draft(self, document: AnnotatedDocument, first: int, last: int, label: int, drawn: list[float]) -> Draft:
        """Sentences `first` up to `last`; `drawn`, from 0 up to 1 each, say where segments end."""
        order = self._orders[label]
        inner: list[int] = []
        for chosen in range(len(order) - 1):  # one more border, at none of the places chosen before
            place = first + 1 + int(drawn[chosen] * (last - first - 1 - chosen))
            for taken in inner:
                place += taken <= place
            inner = sorted([*inner, place])
        borders = document.bounds[[first, *inner, last]].tolist()
        return Draft([document.columns.part(borders[place], borders[place + 1]) for place in order], label)


def sentence_runs(bounds: np.ndarray, least: int, limit: int) -> list[tuple[int, int]]:
    """Runs of sentences `(first, after the last)`, at least `least` each and `limit` tokens at most.

    They do not overlap; each takes in all sentences that fit.
    """
    runs, first = [], 0
    borders = bounds.tolist()
    while first + least < len(borders):
        last = bisect_right(borders, borders[first] + limit, first) - 1
        if last - first >= least:
            runs.append((first, last))
            first = last
        else:
            first += 1
    return runs


def class_count(most_segments: int) -> int:
    """Number of classes: sum of n! for n = 1..m."""
    return sum(factorial(n) for n in range(1, most_segments + 1))


def class_of(permutation: tuple[int, ...]) -> int:
    """The class of an order of segments."""
    count = len(permutation)
    return class_count(count - 1) + list(permutations(range(count))).index(tuple(permutation))


def permutation_of(label: int) -> tuple[int, ...]:
    """The order of segments that a class stands for; the inverse of `class_of`."""
    count = 1
    while label >= class_count(count):
        count += 1
    return list(permutations(range(count)))[label - class_count(count - 1)]
