"""IR relevance (paper section 4.2.3): predict how relevant a title is to a query.

From a log of queries and titles: 0 the title was clicked for the query; 1 it was shown but never clicked; 2 it is a
random title of another query that was neither clicked nor shown for this query. Each clicked row gives a sample of
class 0 and one of class 2. The more frequent of clicked and shown rows are subsampled to equal numbers. Queries, and
titles, are equal if their tokens are.

Without a log, from documents with titles: the query is a sentence of the body, or the beginning of a long sentence. 0
is the document's own title, 1 the title of another document that BM25 ranks high for the query, 2 the title of any
other document. The three titles differ. Each query gives one sample of every class, so that the query reveals nothing
about the label. If the query contains the document's title, only the longer part before or after it is kept.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import ClassVar

import numpy as np
from pydantic import Field

from data_builders.annotation.document import AnnotatedDocument, TokenColumns
from data_builders.builders.builder import (
    CountingBuilder,
    DocumentBuilder,
    Pool,
    Reach,
    SampleDraft,
    TooFewSamples,
    Unsuitable,
)
from data_builders.builders.chunks import first_tokens
from data_builders.builders.title_ranking import TitleRanking, ordinary_words
from data_builders.readers.pairs import CLICKED, SHOWN, QueryTitleReader
from ernie_paddle.config import Settings
from ernie_paddle.text.vocabulary import Vocabulary

RELEVANT, PARTLY_RELEVANT, IRRELEVANT = 0, 1, 2
LABELS = ("clicked, or its own title", "shown, or ranked high", "random")
MIN_WORDS = 3  # ordinary words of a query
MAX_RANKINGS = 2  # cached rankings: one of training and one of validation titles
MAX_TRIES = 200  # other documents read to find a random title


class IrRelevanceOptions(Settings):
    """Options of the builder."""

    query_tokens: int = Field(default=40, ge=4)
    """Tokens of a query at most."""
    title_tokens: int = Field(default=40, ge=4)
    """Tokens of a title at most."""
    queries_per_document: int = Field(default=1, ge=1)
    """Queries of a document at most."""
    ranked_titles: int = Field(default=4096, ge=2)
    """Documents among which BM25 ranks titles."""
    hard_ranks: int = Field(default=5, ge=1)
    """Best-ranked titles from which that of class 1 is sampled."""
    random_titles: Reach = "corpus"
    """Random titles come from the same `corpus`, or from all corpora of the task in the `language`."""


class IrRelevanceBuilder(CountingBuilder, DocumentBuilder):
    """A builder of `[CLS] query [SEP] title [SEP]` with the three labels in equal shares."""

    name: ClassVar[str] = "ir_relevance"
    version: ClassVar[int] = 3
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    pairs: ClassVar[str | None] = QueryTitleReader.name
    Options: ClassVar[type[Settings]] = IrRelevanceOptions

    def __init__(self, max_length: int, options: IrRelevanceOptions, vocabulary: Vocabulary):
        super().__init__(max_length, options, vocabulary)
        room = max_length - 3
        self._title_room = min(options.title_tokens, room // 2)
        self._query_room = min(options.query_tokens, room - self._title_room)
        self._shares = {CLICKED: 1.0, SHOWN: 1.0}
        self._rankings: dict[tuple[str, int, int], TitleRanking] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        return LABELS

    def count(self, document: AnnotatedDocument) -> Counter[str]:
        return Counter() if document.label is None else Counter([document.label])

    def fit(self, counts: Counter[str]) -> None:
        if not counts:
            return
        least = min(counts[CLICKED], counts[SHOWN])
        if not least:
            missing = CLICKED if not counts[CLICKED] else SHOWN
            raise TooFewSamples(f"{self.name}: the log has no row '{missing}'; it needs rows of both kinds")
        self._shares = {label: least / counts[label] for label in self._shares}

    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[SampleDraft]:
        if document.label is not None:
            return self._from_log(document, pool, random)
        if not document.title.tokens:
            raise Unsuitable("no title")
        drafts: list[SampleDraft] = []
        for query in self._queries(document, random):
            drafts += self._drafts_of_query(document, query, pool, random)
            if len(drafts) == len(LABELS) * self.options.queries_per_document:
                break
        if not drafts:
            raise Unsuitable("no sentence with words of another title")
        return drafts

    def _from_log(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[SampleDraft]:
        if document.sentences < 2:
            raise Unsuitable("no token in the query or the title")
        if random.random() >= self._shares[str(document.label)]:
            raise Unsuitable("subsampled row of the log")
        query, title = self._row(document)
        rows = pool.pairs_with_first_text_of(document)
        titles = pool.second_text_hashes(rows)
        if document.label == SHOWN:
            same_pair = rows[titles == pool.second_text_hashes(np.array([document.index]))]
            if any(pool.document(row).label == CLICKED for row in same_pair.tolist()):
                raise Unsuitable("shown in one row, clicked in another")
            return [SampleDraft([query, title], PARTLY_RELEVANT)]
        for other in islice(pool.others(document, 2, "corpus", random), MAX_TRIES):
            if other.label is None or np.isin(pool.second_text_hashes(np.array([other.index])), titles):
                continue
            other_query, other_title = self._row(other)
            if not (_same(other_query, query) or _same(other_title, title)):
                return [SampleDraft([query, title], RELEVANT), SampleDraft([query, other_title], IRRELEVANT)]
        raise Unsuitable("no title that was not shown for the query")

    def _row(self, document: AnnotatedDocument) -> tuple[TokenColumns, TokenColumns]:
        """Return the query and the title of a row of the log."""
        start, middle, end = document.bounds[:3].tolist()
        return (
            first_tokens(document.columns, (start, middle), self._query_room),
            first_tokens(document.columns, (middle, end), self._title_room),
        )

    def _queries(self, document: AnnotatedDocument, random: np.random.Generator) -> Iterator[TokenColumns]:
        """Yield the sentences in random order, cut to length and without the title."""
        for sentence in random.permutation(document.sentences).tolist():
            start, end = document.bounds[sentence : sentence + 2].tolist()
            text = first_tokens(document.columns, (start, end), self._query_room)
            query = _without_title(text, document.title.of("input_ids"))
            if query.tokens >= MIN_WORDS:
                yield query

    def _drafts_of_query(
        self, document: AnnotatedDocument, query: TokenColumns, pool: Pool, random: np.random.Generator
    ) -> list[SampleDraft]:
        """Return a sample of each class for a query; empty if it has too few words or shares none with other titles."""
        words = ordinary_words(query)
        if len(words) < MIN_WORDS:
            return []
        own = self._title(document)
        best = self._ranking(document, pool).best(words, self.options.hard_ranks, document.title)
        ranked = [title for title in map(self._title, best) if not _same(title, own)]
        if not ranked:
            return []
        hard = ranked[int(random.integers(len(ranked)))]
        others = islice(pool.others(document, 1, self.options.random_titles, random), MAX_TRIES)
        titles = (self._title(other) for other in others if other.title.tokens)
        unrelated = next((title for title in titles if not (_same(title, own) or _same(title, hard))), None)
        if unrelated is None:
            raise Unsuitable("no other title")
        return [SampleDraft([query, title], label) for label, title in enumerate((own, hard, unrelated))]

    def _title(self, document: AnnotatedDocument) -> TokenColumns:
        return first_tokens(document.title, (0, document.title.tokens), self._title_room)

    def _ranking(self, document: AnnotatedDocument, pool: Pool) -> TitleRanking:
        """Return the ranking of the titles in the neighbourhood of a document; the last few rankings are cached."""
        neighbours = pool.titled_block(document, self.options.ranked_titles)
        key = (pool.name, int(neighbours[0]), int(neighbours[-1]))
        if key not in self._rankings:
            while len(self._rankings) >= MAX_RANKINGS:
                self._rankings.pop(next(iter(self._rankings)))
            self._rankings[key] = TitleRanking([pool.document(index) for index in neighbours.tolist()])
        return self._rankings[key]


def _without_title(text: TokenColumns, title: np.ndarray) -> TokenColumns:
    """Return the longer part of a text before or after a title's ids, repeatedly until the text does not contain it."""
    while (start := _find(title.tobytes(), text.of("input_ids").tobytes(), title.itemsize)) >= 0:
        end = start + len(title)
        text = text.part(0, start) if start >= text.tokens - end else text.part(end, text.tokens)
    return text


def _find(part: bytes, ids: bytes, size: int) -> int:
    """Return the position of a sequence of ids of `size` bytes in another sequence, -1 if it is not in it."""
    offset = ids.find(part)
    while offset % size and offset >= 0:
        offset = ids.find(part, offset + 1)
    return offset // size


def _same(first: TokenColumns, second: TokenColumns) -> bool:
    return np.array_equal(first.of("input_ids"), second.of("input_ids"))
