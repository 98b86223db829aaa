"""BM25 ranking of titles for a query, within a neighbourhood of documents so that memory is bounded."""

import numpy as np

from data_builders.annotation.document import (
    ORDINARY_WORD,
    WORD_KEYS,
    AnnotatedDocument,
    TokenColumns,
    joined_word_keys,
)
from ernie_paddle.data.samples import ranges
from ernie_paddle.data.spans import BEGIN

MAX_CANDIDATES = 50  # best titles that are sorted by score


class TitleRanking:
    """A BM25 index over the ordinary words of the documents' titles: no function words, no punctuation."""

    def __init__(self, documents: list[AnnotatedDocument]):
        self.documents = documents
        self._titles = [document.title.of("input_ids").tobytes() for document in documents]
        self._words, numbers = _numbered_words([document.title for document in documents])
        if len(self._words):
            import bm25s  # takes long to import

            index = bm25s.BM25()
            vocabulary = {str(number): number for number in range(len(self._words))}
            index.index((numbers, vocabulary), show_progress=False)
            # Sparse rows: word w has entries `_offsets[w]` to `_offsets[w + 1]` of scores and title numbers.
            self._scores, self._scored, self._offsets = (index.scores[name] for name in ("data", "indices", "indptr"))

    def best(self, query: np.ndarray, count: int, title: TokenColumns) -> list[AnnotatedDocument]:
        """Return at most `count` documents whose titles have the highest scores for a query, best first.

        Args:
            query: the keys of its words (`ordinary_words`).
            title: documents with this title are excluded.
        """
        if not len(self._words):
            return []
        rows = np.searchsorted(self._words, query)
        known = rows[self._words[np.minimum(rows, len(self._words) - 1)] == query]
        if not len(known):
            return []
        entries = ranges(self._offsets[known], self._offsets[known + 1] - self._offsets[known])
        scores = np.bincount(self._scored[entries], self._scores[entries], len(self.documents))
        candidates = np.flatnonzero(scores)
        if len(candidates) > MAX_CANDIDATES:
            candidates = candidates[np.argpartition(-scores[candidates], MAX_CANDIDATES)[:MAX_CANDIDATES]]
        order = candidates[np.lexsort((candidates, -scores[candidates]))].tolist()
        excluded = title.of("input_ids").tobytes()
        best: list[AnnotatedDocument] = []
        for number in order:
            if len(best) == count:
                break
            if self._titles[number] != excluded:
                best.append(self.documents[number])
        return best


def _numbered_words(titles: list[TokenColumns]) -> tuple[np.ndarray, list[list[int]]]:
    """Return the sorted keys of all ordinary words of titles, and the numbers of each title's words among them."""
    lengths = np.array([title.tokens for title in titles])
    bi_tags, classes = (
        np.concatenate([title.of(name) for title in titles]) for name in ("word_bi_tags", "word_classes")
    )
    ordinary = np.flatnonzero(_begins_ordinary_word(bi_tags, classes))
    words, numbers = np.unique(joined_word_keys(titles)[ordinary], return_inverse=True)
    offsets = np.searchsorted(ordinary, np.cumsum(lengths))
    return words, [title_numbers.tolist() for title_numbers in np.split(numbers, offsets[:-1])]


def ordinary_words(columns: TokenColumns) -> np.ndarray:
    """Return the keys of the ordinary words that begin among these tokens."""
    return columns.of(WORD_KEYS)[_begins_ordinary_word(columns.of("word_bi_tags"), columns.of("word_classes"))]


def _begins_ordinary_word(word_bi_tags: np.ndarray, word_classes: np.ndarray) -> np.ndarray:
    """Return at which tokens an ordinary word begins, bool [tokens]."""
    return (word_bi_tags == BEGIN) & (word_classes == ORDINARY_WORD)
