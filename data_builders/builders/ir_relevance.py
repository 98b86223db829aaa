"""IR relevance (paper section 4.2.3): how well does a title answer a query?

From a log of queries and titles: 0 the title was clicked, 1 it was shown but in no row clicked, 2 it was drawn at
random from those of other queries, and no row says that it was clicked or shown for this one. Each clicked row that
is kept gives one sample of class 2 besides its own; of clicked and shown rows the more frequent are thinned by a keyed
draw.
Queries and titles are the same if their tokens are.

Without a log, from documents with titles: the query is a sentence of the body or, of a long one, its beginning. 0 is
the document's own title, 1 the title of another document that BM25 ranks high for the query, 2 the title of any other
document; all are different, whichever documents they belong to. Each query gives one sample of every class, so that it
tells nothing about the label. Where the title itself stands in the query, the query ends before it or begins after it,
whichever leaves more.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import ClassVar

import numpy as np
from pydantic import Field

from data_builders.annotation.document import AnnotatedDocument, Columns
from data_builders.builders.builder import CountingBuilder, DocumentBuilder, Draft, Pool, Reach, Unsuitable
from data_builders.builders.stretches import span_border
from data_builders.builders.title_ranking import TitleRanking, ordinary_words
from data_builders.readers.pairs import CLICKED, SHOWN, QueryTitleReader
from ernie_paddle.config import Settings
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary

RELEVANT, PARTLY_RELEVANT, IRRELEVANT = 0, 1, 2
LABELS = ("clicked, or its own title", "shown, or ranked high", "random")
LEAST_WORDS = 3  # ordinary ones in a query
MOST_RANKINGS = 2  # kept: of training and of validation titles
TRIES = 200  # other documents looked at for a random title


class RelevanceOptions(Settings):
    """How queries and titles are made of documents.

    `query_tokens`, `title_tokens`: at most. `queries_per_document`: at most. `ranked_titles`: among how many documents
    BM25 ranks titles. `hard_ranks`: class 1 is drawn from so many of the best. `random_titles`: of the same `corpus`,
    or of any of the task's corpora in the `language`.
    """

    query_tokens: int = Field(default=40, ge=4)
    title_tokens: int = Field(default=40, ge=4)
    queries_per_document: int = Field(default=1, ge=1)
    ranked_titles: int = Field(default=4096, ge=2)
    hard_ranks: int = Field(default=5, ge=1)
    random_titles: Reach = "corpus"


class Builder(CountingBuilder, DocumentBuilder):
    """`[CLS] query [SEP] title [SEP]`, the three labels in equal shares."""

    name: ClassVar[str] = "ir_relevance"
    version: ClassVar[int] = 3
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    pairs: ClassVar[str | None] = QueryTitleReader.name
    Options: ClassVar[type[Settings]] = RelevanceOptions

    def __init__(self, max_length: int, options: RelevanceOptions, vocabulary: Vocabulary):
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

    def settle(self, counts: Counter[str]) -> None:
        if not counts:
            return
        least = min(counts[CLICKED], counts[SHOWN])
        if not least:
            missing = CLICKED if not counts[CLICKED] else SHOWN
            raise UserError(f"{self.name}: no row of the log says '{missing}'; give rows of both kinds")
        self._shares = {kind: least / counts[kind] for kind in self._shares}

    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[Draft]:
        if document.label is not None:
            return self._from_log(document, pool, random)
        if not document.title.tokens:
            raise Unsuitable("no title")
        drafts: list[Draft] = []
        for query in self._queries(document, random):
            drafts += self._around(document, query, pool, random)
            if len(drafts) == len(LABELS) * self.options.queries_per_document:
                break
        if not drafts:
            raise Unsuitable("no sentence with words of another title")
        return drafts

    def _from_log(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[Draft]:
        if document.sentences < 2:
            raise Unsuitable("no token in the query or the title")
        if random.random() >= self._shares[str(document.label)]:
            raise Unsuitable("more rows of its kind than of the other")
        query, title = self._row(document)
        rows = pool.rows_of_first_text(document)
        titles = pool.second_texts(rows)
        if document.label == SHOWN:
            again = rows[titles == pool.second_texts(np.array([document.index]))]
            if any(pool.document(row).label == CLICKED for row in again.tolist()):
                raise Unsuitable("shown, but clicked in another row")
            return [Draft([query, title], PARTLY_RELEVANT)]
        for other in islice(pool.others(document, 2, "corpus", random), TRIES):
            if other.label is None or np.isin(pool.second_texts(np.array([other.index])), titles):
                continue
            asked, shown = self._row(other)
            if not (_same(asked, query) or _same(shown, title)):
                return [Draft([query, title], RELEVANT), Draft([query, shown], IRRELEVANT)]
        raise Unsuitable("no title of another query that was not shown for this one")

    def _row(self, document: AnnotatedDocument) -> tuple[Columns, Columns]:
        first, middle, last = document.bounds[:3].tolist()
        return (
            document.columns.part(first, _cut(document.columns, first, middle, self._query_room)),
            document.columns.part(middle, _cut(document.columns, middle, last, self._title_room)),
        )

    def _queries(self, document: AnnotatedDocument, random: np.random.Generator) -> Iterator[Columns]:
        """Sentences in random order, cut to length and without the title."""
        for sentence in random.permutation(document.sentences).tolist():
            start, end = document.bounds[sentence : sentence + 2].tolist()
            end = _cut(document.columns, start, end, self._query_room)
            query = _without(document.title.of("input_ids"), document.columns.part(start, end))
            if query.tokens >= LEAST_WORDS:
                yield query

    def _around(
        self, document: AnnotatedDocument, query: Columns, pool: Pool, random: np.random.Generator
    ) -> list[Draft]:
        """A sample of each class for a query; none if it has too few words, or none that other titles have."""
        words = ordinary_words(query)
        if len(words) < LEAST_WORDS:
            return []
        own = self._title(document)
        best = self._ranking(document, pool).best(words, self.options.hard_ranks, document.title)
        ranked = [title for title in map(self._title, best) if not _same(title, own)]
        if not ranked:
            return []
        hard = ranked[int(random.integers(len(ranked)))]
        others = islice(pool.others(document, 1, self.options.random_titles, random), TRIES)
        titles = (self._title(other) for other in others if other.title.tokens)
        far = next((title for title in titles if not (_same(title, own) or _same(title, hard))), None)
        if far is None:
            raise Unsuitable("no other title to draw")
        return [Draft([query, title], label) for label, title in enumerate((own, hard, far))]

    def _title(self, document: AnnotatedDocument) -> Columns:
        return document.title.part(0, _cut(document.title, 0, document.title.tokens, self._title_room))

    def _ranking(self, document: AnnotatedDocument, pool: Pool) -> TitleRanking:
        """The titles around a document; the last few rankings are kept."""
        neighbours = pool.titled_block(document, self.options.ranked_titles)
        key = (pool.name, int(neighbours[0]), int(neighbours[-1]))
        if key not in self._rankings:
            while len(self._rankings) >= MOST_RANKINGS:
                self._rankings.pop(next(iter(self._rankings)))
            self._rankings[key] = TitleRanking([pool.document(index) for index in neighbours.tolist()])
        return self._rankings[key]


def _cut(columns: Columns, start: int, end: int, room: int) -> int:
    return end if end - start <= room else span_border(columns, start, room)


def _without(title: np.ndarray, text: Columns) -> Columns:
    """The longer side of what is left of a text when the title is taken out, wherever it stands."""
    wanted = title.tobytes()
    while (found := _find(wanted, text.of("input_ids").tobytes(), title.itemsize)) >= 0:
        after = found + len(title)
        text = text.part(0, found) if found >= text.tokens - after else text.part(after, text.tokens)
    return text


def _find(wanted: bytes, ids: bytes, size: int) -> int:
    """Where a sequence of ids of `size` bytes begins in another, -1 if nowhere."""
    place = ids.find(wanted)
    while place % size and place >= 0:
        place = ids.find(wanted, place + 1)
    return place // size


def _same(one: Columns, other: Columns) -> bool:
    return np.array_equal(one.of("input_ids"), other.of("input_ids"))
