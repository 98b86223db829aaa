"""Titles ranked by BM25 for a query, within a neighbourhood of documents so that memory stays bounded."""

import numpy as np

from data_builders.annotation.document import ORDINARY_WORD, WORD_KEYS, AnnotatedDocument, Columns, word_keys
from ernie_paddle.data.samples import BEGIN, ranges

MOST_LOOKED_AT = 50  # titles that fit, among which the wanted ones are found


class TitleRanking:
    """An index over the titles of documents, by their words that are neither function words nor signs."""

    def __init__(self, documents: list[AnnotatedDocument]):
        self.documents = documents
        self._titles = [document.title.of("input_ids").tobytes() for document in documents]
        self._words, numbers = _numbered_words([document.title for document in documents])
        if len(self._words):
            import bm25s  # takes long to import

            index = bm25s.BM25()
            every = {str(number): number for number in range(len(self._words))}
            index.index((numbers, every), show_progress=False)
            # The score of word w in title t stands where `_scored` is t between `_borders` w and w + 1.
            self._scores, self._scored, self._borders = (index.scores[name] for name in ("data", "indices", "indptr"))

    def best(self, query: np.ndarray, count: int, title: Columns) -> list[AnnotatedDocument]:
        """At most `count` documents whose titles fit a query best, best first.

        Args:
            query: keys of its words (`ordinary_words`).
            title: a title that is not among the answers, under whatever document it stands.
        """
        if not len(self._words):
            return []
        place = np.searchsorted(self._words, query)
        known = place[self._words[np.minimum(place, len(self._words) - 1)] == query]
        if not len(known):
            return []
        places = ranges(self._borders[known], self._borders[known + 1] - self._borders[known])
        scores = np.bincount(self._scored[places], self._scores[places], len(self.documents))
        found = np.flatnonzero(scores)
        if len(found) > MOST_LOOKED_AT:
            found = found[np.argpartition(-scores[found], MOST_LOOKED_AT)[:MOST_LOOKED_AT]]
        order = found[np.lexsort((found, -scores[found]))].tolist()
        own = title.of("input_ids").tobytes()
        fitting: list[AnnotatedDocument] = []
        for number in order:
            if len(fitting) == count:
                break
            if self._titles[number] != own:
                fitting.append(self.documents[number])
        return fitting


def _numbered_words(titles: list[Columns]) -> tuple[np.ndarray, list[list[int]]]:
    """The keys of all ordinary words of some titles, sorted, and the places of each title's words among them."""
    lengths = np.array([title.tokens for title in titles])
    ids, codes, classes = (
        np.concatenate([title.of(name) for title in titles]) for name in ("input_ids", "word_codes", "word_classes")
    )
    ordinary = np.flatnonzero(_ordinary(codes, classes))
    words, numbers = np.unique(word_keys(ids, codes)[ordinary], return_inverse=True)
    borders = np.searchsorted(ordinary, np.cumsum(lengths))
    return words, [part.tolist() for part in np.split(numbers, borders[:-1])]


def ordinary_words(columns: Columns) -> np.ndarray:
    """Keys of the ordinary words that begin among these tokens."""
    return columns.of(WORD_KEYS)[_ordinary(columns.of("word_codes"), columns.of("word_classes"))]


def _ordinary(word_codes: np.ndarray, word_classes: np.ndarray) -> np.ndarray:
    """At which tokens does an ordinary word begin?"""
    return (word_codes == BEGIN) & (word_classes == ORDINARY_WORD)
