"""What a sample builder is and what it may ask of a corpus."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from data_builders.annotation.document import AnnotatedDocument
from data_builders.annotation.store import AnnotatedCorpus
from ernie_paddle.config import Settings
from ernie_paddle.data.samples import IGNORED


class Unsuitable(Exception):
    """A document that gives no sample of a task; the text says why and is counted."""


class Segment(NamedTuple):
    """Tokens `start` to `end` of a document."""

    document: AnnotatedDocument
    start: int
    end: int


class Draft(NamedTuple):
    """A sample to be: `[CLS]`, then each segment and a `[SEP]`, with sentence ids 0, 1, ... by segment."""

    segments: list[Segment]
    label: int = IGNORED


class NoOptions(Settings):
    """For builders without options of their own."""


class SampleBuilder(ABC):
    """Makes the samples of one task. `version` grows when the same documents give other samples."""

    name: ClassVar[str]
    version: ClassVar[int]
    languages: ClassVar[tuple[str, ...]]
    Options: ClassVar[type[Settings]] = NoOptions

    def __init__(self, max_length: int, options: Any):
        """`max_length`: tokens of a sample at most, special tokens included; `options`: an `Options`."""
        self.max_length = max_length
        self.options = options

    @property
    def least_sentences(self) -> int:
        """A document with fewer sentences gives no sample."""
        return 1

    @abstractmethod
    def compose(self, document: AnnotatedDocument, pool: "Pool", random: np.random.Generator) -> list[Draft]:
        """The samples of one document; `pool` are the documents of its corpus and split.

        Raises:
            Unsuitable: the document gives none.
        """


@dataclass(frozen=True)
class Pool:
    """Documents that negatives may come from: those of one corpus and split, by their numbers."""

    corpus: AnnotatedCorpus
    documents: np.ndarray

    def others(
        self, document: AnnotatedDocument, least_sentences: int, random: np.random.Generator
    ) -> Iterator[AnnotatedDocument]:
        """Other documents drawn at random, again and again, by their number of sentences.

        Only documents with at least `least_sentences` are drawn; ends at once if there is no other.
        """
        numbers, weights = self._drawable(least_sentences)
        if not len(numbers[numbers != document.index]):
            return
        while True:
            number = numbers[np.searchsorted(weights, random.integers(weights[-1]), side="right")]
            if number != document.index:
                yield self.corpus.document(int(number))

    def _drawable(self, least_sentences: int) -> tuple[np.ndarray, np.ndarray]:
        counts = self.corpus.sentence_counts[self.documents]
        numbers = self.documents[counts >= least_sentences]
        return numbers, np.cumsum(counts[counts >= least_sentences])


def balanced_labels(count: int, classes: int, random: np.random.Generator) -> np.ndarray:
    """`count` labels in random order; no two classes differ by more than one in number."""
    rounds = -(-count // classes)
    return np.concatenate([random.permutation(classes) for _ in range(rounds)])[:count] if count else np.empty(0, int)
