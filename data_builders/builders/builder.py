"""The interface of sample builders, and the pool of documents from which they sample negatives."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from data_builders.annotation.annotated_corpus import AnnotatedCorpus
from data_builders.annotation.document import AnnotatedDocument, TokenColumns
from data_builders.annotation.features import CAPITALIZATION
from ernie_paddle.config import NoOptions, Settings
from ernie_paddle.data.samples import ranges
from ernie_paddle.data.schema import IGNORED, LABEL, Column
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary


class Unsuitable(Exception):
    """Raised for a document that gives no sample of a task. The message is the reason under which it is counted."""


class TooFewSamples(UserError):
    """Raised for a task that gets no samples, or none of a split, from its corpora."""


class SampleDraft(NamedTuple):
    """A sample before special tokens are added: `[CLS]`, then each segment followed by `[SEP]`.

    Sentence ids number the segments from 0. `columns` are the values of further columns that the builder declares: an
    array with one value for each token of the segments, or a number for a sentence-level column.
    """

    segments: list[TokenColumns]
    label: int = IGNORED
    columns: Mapping[str, np.ndarray | int] = MappingProxyType({})


class SampleBuilder(ABC):
    """Base class of the builders, each of which builds the samples of one task.

    Attributes:
        name: the task's name.
        version: must be incremented when the same documents give different samples.
        languages: the languages for which the task is defined.
        features: the token features that the samples carry besides the spans, which all samples have.
        pairs: the format of labelled pairs whose labels the builder reads; None if it reads none.
        Options: the settings under `tasks.<name>.options`.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    languages: ClassVar[tuple[str, ...]]
    features: ClassVar[tuple[str, ...]] = (CAPITALIZATION.name,)
    pairs: ClassVar[str | None] = None
    Options: ClassVar[type[Settings]] = NoOptions

    def __init__(self, max_length: int, options: Any, vocabulary: Vocabulary):
        """Take the maximum number of tokens of a sample, special tokens included, and an instance of `Options`."""
        self.max_length = max_length
        self.options = options
        self.vocabulary = vocabulary

    @property
    def min_sentences(self) -> int:
        """The minimum number of sentences of a document that gives samples."""
        return 1

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes of `SampleDraft.label` in the order of their ids; empty without labels."""
        return ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that the builder itself fills: by default `label`, if it names classes."""
        return (Column(LABEL, "sentence", self.labels, "int16"),) if self.labels else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the user, printed at the end of the build."""
        return ()

    @abstractmethod
    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: "Pool", random: np.random.Generator, dropped: Counter[str]
    ) -> list[SampleDraft]:
        """Return the samples of documents, in the order of the documents.

        Args:
            documents: the documents of one work item and one split.
            pool: the documents of that split from which negatives may be sampled.
            random: a generator keyed by the work item.
            dropped: counts the documents that give no sample, by reason; updated in place.
        """


class DocumentBuilder(SampleBuilder):
    """A builder that composes each document on its own."""

    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: "Pool", random: np.random.Generator, dropped: Counter[str]
    ) -> list[SampleDraft]:
        drafts: list[SampleDraft] = []
        for document in documents:
            try:
                drafts += self.of_document(document, pool, random)
            except Unsuitable as reason:
                dropped[str(reason)] += 1
        return drafts

    @abstractmethod
    def of_document(self, document: AnnotatedDocument, pool: "Pool", random: np.random.Generator) -> list[SampleDraft]:
        """Return the samples of one document.

        Raises:
            Unsuitable: the document gives none.
        """


class CountingBuilder(SampleBuilder):
    """A builder that must count all training documents before it composes the first."""

    @abstractmethod
    def count(self, document: AnnotatedDocument) -> Counter[str]:
        """Return the counts of one document; `fit` gets the sum over all training documents."""

    @abstractmethod
    def fit(self, counts: Counter[str]) -> None:
        """Set the builder up from the summed counts of all training documents.

        Raises:
            TooFewSamples: no samples can be built from these documents.
        """


Reach = Literal["corpus", "language"]
SAMPLED_TOGETHER = 64  # documents sampled by one call of the generator
MAX_WORK_ITEMS = 256  # of a neighbourhood, all of which are read
SAMPLED_DOCUMENTS = 1500  # approximate number of documents per corpus that negatives of a work item come from


class PoolCorpus(NamedTuple):
    """The documents of one corpus in a pool.

    Attributes:
        documents: document numbers, ascending.
        weight: the number of documents of the whole pool that each of these represents.
    """

    corpus: AnnotatedCorpus
    documents: np.ndarray
    weight: float = 1.0


class Pool:
    """The documents of one split from which negatives may be sampled."""

    def __init__(self, corpora: Sequence[PoolCorpus], whole: "Pool | None" = None):
        """Create a pool.

        Args:
            corpora: first the corpus whose documents are composed, then the task's other corpora in its language.
            whole: the pool from which this one was sampled; None if it is the whole pool.
        """
        self._corpora = corpora
        self._whole = whole or self
        self._offsets: dict[int, np.ndarray] = {}
        self._streams: dict[tuple[int, Reach], tuple[bool, Iterator[tuple[int, int]]]] = {}

    @property
    def name(self) -> str:
        """The name of the first corpus."""
        return self._corpora[0].corpus.name

    def sample(self, random: np.random.Generator) -> "Pool":
        """Sample a pool of a few work items, so that composing a work item reads only a few others.

        Neighbourhoods (`titled_block`) are those of the whole pool.
        """
        return Pool([_sample_work_items(corpus, random) for corpus in self._corpora], self)

    def others(
        self, document: AnnotatedDocument, min_sentences: int, reach: Reach, random: np.random.Generator
    ) -> Iterator[AnnotatedDocument]:
        """Sample other documents without end, with a probability proportional to their number of sentences.

        Yields nothing if fewer than two documents have enough sentences.

        Args:
            document: the document that is never yielded.
            min_sentences: the minimum number of sentences of a sampled document.
            reach: `corpus` to sample from the first corpus only, `language` to sample from all.
        """
        if (min_sentences, reach) not in self._streams:
            self._streams[min_sentences, reach] = self._sample_positions(min_sentences, reach, random)
        own = (0, document.index)
        several, positions = self._streams[min_sentences, reach]
        if several:
            for corpus, number in positions:
                if (corpus, number) != own:
                    yield self._corpora[corpus].corpus.document(number)

    def _sample_positions(
        self, min_sentences: int, reach: Reach, random: np.random.Generator
    ) -> tuple[bool, Iterator[tuple[int, int]]]:
        """Return whether there are several candidates, and an endless stream of sampled (corpus, document) numbers."""
        corpora, numbers, cumulated = self._candidates(min_sentences, reach)

        def positions() -> Iterator[tuple[int, int]]:
            while True:
                values = random.random(SAMPLED_TOGETHER) * cumulated[-1]
                sampled = np.searchsorted(cumulated[:-1], values, side="right")
                yield from zip(corpora[sampled].tolist(), numbers[sampled].tolist(), strict=True)

        return len(numbers) > 1, positions()

    def titled_block(self, document: AnnotatedDocument, size: int) -> np.ndarray:
        """Return the numbers of the titled documents in the neighbourhood of a titled document of the first corpus.

        Neighbourhoods partition the corpus: each has at most `size` documents from at most `MAX_WORK_ITEMS` work items.
        """
        titled, offsets = self._whole._titled, self._whole._block_offsets(size)
        block = int(np.searchsorted(offsets, np.searchsorted(titled, document.index), side="right"))
        return titled[offsets[block - 1] : offsets[block]]

    def pairs_with_first_text_of(self, pair: AnnotatedDocument) -> np.ndarray:
        """Return the numbers of the pairs of the first corpus with the same first text, `pair` included."""
        return self._corpora[0].corpus.same_group(pair.index)

    def second_text_hashes(self, pairs: np.ndarray) -> np.ndarray:
        """Return a hash of the second text of pairs of the first corpus, given by their numbers."""
        return self._corpora[0].corpus.second_text_hashes[pairs]

    def document(self, index: int) -> AnnotatedDocument:
        """Return a document of the first corpus by its number."""
        return self._corpora[0].corpus.document(index)

    def _block_offsets(self, size: int) -> np.ndarray:
        """Return where each neighbourhood starts among the titled documents, and where the last ends [blocks + 1]."""
        if size not in self._offsets:
            corpus = self._corpora[0].corpus
            work_items = np.searchsorted(corpus.work_item_offsets, self._titled, side="right")
            offsets = [0]
            while offsets[-1] < len(work_items):
                limit = int(np.searchsorted(work_items, work_items[offsets[-1]] + MAX_WORK_ITEMS))
                offsets.append(min(offsets[-1] + size, limit, len(work_items)))
            self._offsets[size] = np.array(offsets)
        return self._offsets[size]

    @cached_property
    def _titled(self) -> np.ndarray:
        corpus, documents, _ = self._corpora[0]
        return documents[corpus.titled[documents]]

    def _candidates(self, min_sentences: int, reach: Reach) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the corpus, the number and the cumulated weighted sentences of each document that may be sampled."""
        corpora, numbers, sentences = [], [], []
        reached = self._corpora if reach == "language" else self._corpora[:1]
        for position, (corpus, documents, weight) in enumerate(reached):
            counts = corpus.sentence_counts[documents]
            enough = counts >= min_sentences
            numbers.append(documents[enough])
            sentences.append(counts[enough] * weight)
            corpora.append(np.full(int(enough.sum()), position))
        return np.concatenate(corpora), np.concatenate(numbers), np.cumsum(np.concatenate(sentences))


def _sample_work_items(pool_corpus: PoolCorpus, random: np.random.Generator) -> PoolCorpus:
    corpus, documents, _ = pool_corpus
    count = -(-SAMPLED_DOCUMENTS * corpus.work_items // max(len(documents), 1))
    if count >= corpus.work_items:
        return pool_corpus
    sampled = np.sort(random.choice(corpus.work_items, count, replace=False))
    offsets = np.searchsorted(documents, corpus.work_item_offsets)
    positions = ranges(offsets[sampled], offsets[sampled + 1] - offsets[sampled])
    return PoolCorpus(corpus, documents[positions], corpus.work_items / count)


def balanced_labels(count: int, classes: int, random: np.random.Generator) -> np.ndarray:
    """Return `count` labels in random order, balanced: the classes differ by at most one sample."""
    rest = random.permutation(classes)[: count % classes]
    return random.permutation(np.concatenate([np.tile(np.arange(classes), count // classes), rest]))
