"""What a sample builder is and what it may ask of a corpus."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from data_builders.annotation.document import AnnotatedDocument, Columns
from data_builders.annotation.store import AnnotatedCorpus
from ernie_paddle.config import Settings
from ernie_paddle.data.samples import IGNORED, ranges
from ernie_paddle.text.vocabulary import Vocabulary


class Unsuitable(Exception):
    """A document that gives no sample of a task; the text says why and is counted."""


class Draft(NamedTuple):
    """A sample to be: `[CLS]`, then each segment and a `[SEP]`, with sentence ids 0, 1, ... by segment.

    `token_labels`: columns of the sample that the builder fills, with a value for each token of the segments.
    """

    segments: list[Columns]
    label: int = IGNORED
    token_labels: Mapping[str, np.ndarray] = MappingProxyType({})


class NoOptions(Settings):
    """For builders without options of their own."""


class SampleBuilder(ABC):
    """Makes the samples of one task. `version` grows when the same documents give other samples."""

    name: ClassVar[str]
    version: ClassVar[int]
    languages: ClassVar[tuple[str, ...]]
    pairs: ClassVar[str | None] = None  # the format of labelled pairs that it takes, if it looks at their labels
    Options: ClassVar[type[Settings]] = NoOptions

    def __init__(self, max_length: int, options: Any, vocabulary: Vocabulary):
        """`max_length`: tokens of a sample at most, special tokens included; `options`: an `Options`."""
        self.max_length = max_length
        self.options = options
        self.vocabulary = vocabulary

    @property
    def least_sentences(self) -> int:
        """A document with fewer sentences gives no sample."""
        return 1

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes of `Draft.label`, in the order of their ids; none if there is no label."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever runs the build should know."""
        return ()

    @abstractmethod
    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: "Pool", random: np.random.Generator, dropped: Counter[str]
    ) -> list[Draft]:
        """The samples of some documents, in their order.

        Args:
            documents: a unit's documents of one split.
            pool: all documents of that split.
            random: keyed by the unit.
            dropped: counts the documents that give no sample, by reason.
        """


class DocumentBuilder(SampleBuilder):
    """A builder that looks at one document at a time."""

    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: "Pool", random: np.random.Generator, dropped: Counter[str]
    ) -> list[Draft]:
        drafts: list[Draft] = []
        for document in documents:
            try:
                drafts += self.of_document(document, pool, random)
            except Unsuitable as reason:
                dropped[str(reason)] += 1
        return drafts

    @abstractmethod
    def of_document(self, document: AnnotatedDocument, pool: "Pool", random: np.random.Generator) -> list[Draft]:
        """The samples of one document.

        Raises:
            Unsuitable: the document gives none.
        """


class CountingBuilder(SampleBuilder):
    """A builder that must know all training documents before it composes any."""

    @abstractmethod
    def count(self, document: AnnotatedDocument) -> Counter[str]:
        """What `settle` needs to know of a document."""

    @abstractmethod
    def settle(self, counts: Counter[str]) -> None:
        """Take the sum of the counts of all training documents.

        Raises:
            UserError: no samples can be made of them.
        """


Reach = Literal["corpus", "language"]
DRAWN_TOGETHER = 64
MOST_UNITS = 256  # of a neighbourhood, which reads all of them
DRAWN_DOCUMENTS = 1500  # about so many of a corpus are at hand for the negatives of a part


class PoolPart(NamedTuple):
    """Documents of a corpus, and how much each stands for: more than 1 where they were drawn from more."""

    corpus: AnnotatedCorpus
    documents: np.ndarray
    weight: float = 1.0


class Pool:
    """Documents of one split that negatives may come from."""

    def __init__(self, parts: Sequence[PoolPart], whole: "Pool | None" = None):
        """`parts`: first the corpus of the documents composed, then the task's other corpora in its language;
        `whole`: the pool that this one was drawn from."""
        self._parts = parts
        self._whole = whole or self
        self._borders: dict[int, np.ndarray] = {}
        self._streams: dict[tuple[int, Reach], tuple[bool, Iterator[tuple[int, int]]]] = {}

    @property
    def name(self) -> str:
        """The name of the first corpus."""
        return self._parts[0].corpus.name

    def drawn(self, random: np.random.Generator) -> "Pool":
        """Some units of the whole pool, drawn anew for each part of the work, so that few need be read.

        Neighbourhoods (`titled_block`) stay those of the whole pool.
        """
        return Pool([_drawn(part, random) for part in self._parts], self)

    def others(
        self, document: AnnotatedDocument, least_sentences: int, reach: Reach, random: np.random.Generator
    ) -> Iterator[AnnotatedDocument]:
        """Other documents drawn at random, again and again, by their number of sentences.

        Only documents with at least `least_sentences` are drawn; `reach` tells whether from the first corpus
        alone or from all. Ends at once if there are not two to draw from.
        """
        if (least_sentences, reach) not in self._streams:
            self._streams[least_sentences, reach] = self._drawn_places(least_sentences, reach, random)
        own = (0, document.index)
        several, places = self._streams[least_sentences, reach]
        if several:
            yield from (self._parts[part].corpus.document(number) for part, number in places if (part, number) != own)

    def _drawn_places(
        self, least_sentences: int, reach: Reach, random: np.random.Generator
    ) -> tuple[bool, Iterator[tuple[int, int]]]:
        """Whether there are several documents to draw from, and places of them, drawn without end."""
        corpora, numbers, weights = self._weighed(least_sentences, reach)

        def draw() -> Iterator[tuple[int, int]]:
            while True:
                drawn = np.searchsorted(weights[:-1], random.random(DRAWN_TOGETHER) * weights[-1], side="right")
                yield from zip(corpora[drawn].tolist(), numbers[drawn].tolist(), strict=True)

        return len(numbers) > 1, draw()

    def titled_block(self, document: AnnotatedDocument, size: int) -> np.ndarray:
        """The neighbourhood of a document with a title: numbers of the documents with titles of the first corpus.

        Neighbourhoods cut the corpus into blocks of at most `size` documents in at most `MOST_UNITS` units.
        """
        titled, borders = self._whole._titled, self._whole._block_borders(size)
        block = int(np.searchsorted(borders, np.searchsorted(titled, document.index), side="right"))
        return titled[borders[block - 1] : borders[block]]

    def rows_of_first_text(self, pair: AnnotatedDocument) -> np.ndarray:
        """The numbers of the pairs of the first corpus with the same first text as one of them, itself included."""
        return self._parts[0].corpus.alike(pair.index)

    def second_texts(self, pairs: np.ndarray) -> np.ndarray:
        """A hash of the second text of each of these pairs of the first corpus, by their numbers."""
        return self._parts[0].corpus.seconds[pairs]

    def document(self, index: int) -> AnnotatedDocument:
        """A document of the first corpus by its number."""
        return self._parts[0].corpus.document(index)

    def _block_borders(self, size: int) -> np.ndarray:
        """Where among the titled documents a block ends and another begins."""
        if size not in self._borders:
            corpus = self._parts[0].corpus
            units = np.searchsorted(corpus.unit_borders, self._titled, side="right")
            borders = [0]
            while borders[-1] < len(units):
                far = int(np.searchsorted(units, units[borders[-1]] + MOST_UNITS))
                borders.append(min(borders[-1] + size, far, len(units)))
            self._borders[size] = np.array(borders)
        return self._borders[size]

    @cached_property
    def _titled(self) -> np.ndarray:
        corpus, documents, _ = self._parts[0]
        return documents[corpus.titled[documents]]

    def _weighed(self, least_sentences: int, reach: Reach) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place in `parts`, number and running total of weighted sentences of each document that may be drawn."""
        corpora, numbers, sentences = [], [], []
        for place, (corpus, documents, weight) in enumerate(self._parts if reach == "language" else self._parts[:1]):
            counts = corpus.sentence_counts[documents]
            enough = counts >= least_sentences
            numbers.append(documents[enough])
            sentences.append(counts[enough] * weight)
            corpora.append(np.full(int(enough.sum()), place))
        return np.concatenate(corpora), np.concatenate(numbers), np.cumsum(np.concatenate(sentences))


def _drawn(part: PoolPart, random: np.random.Generator) -> PoolPart:
    corpus, documents, _ = part
    count = -(-DRAWN_DOCUMENTS * corpus.units // max(len(documents), 1))
    if count >= corpus.units:
        return part
    units = np.sort(random.choice(corpus.units, count, replace=False))
    borders = np.searchsorted(documents, corpus.unit_borders)
    chosen = ranges(borders[units], borders[units + 1] - borders[units])
    return PoolPart(corpus, documents[chosen], corpus.units / count)


def balanced_labels(count: int, classes: int, random: np.random.Generator) -> np.ndarray:
    """`count` labels in random order; no two classes differ by more than one in number."""
    rest = random.permutation(classes)[: count % classes]
    return random.permutation(np.concatenate([np.tile(np.arange(classes), count // classes), rest]))
