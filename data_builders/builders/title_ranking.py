"""Titles ranked by BM25 for a query, within a neighbourhood of documents so that memory stays bounded."""

import bm25s
import numpy as np

from data_builders.annotation.document import ORDINARY_WORD, WORD_KEYS, AnnotatedDocument, Columns
from ernie_paddle.data.samples import BEGIN

MOST_LOOKED_AT = 50  # titles that fit, among which the wanted ones are found


class TitleRanking:
    """An index over the titles of documents, by their words that are neither function words nor signs."""

    def __init__(self, documents: list[AnnotatedDocument]):
        self.documents = documents
        keys = [ordinary_words(document.title) for document in documents]
        self._words = np.unique(np.concatenate(keys))
        self._titles = [document.title.of("input_ids").tobytes() for document in documents]
        self._index = bm25s.BM25()
        if len(self._words):
            titles = [np.searchsorted(self._words, words).tolist() for words in keys]
            numbers = {str(number): number for number in range(len(self._words))}
            self._index.index((titles, numbers), show_progress=False)

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
        scores = self._index.get_scores_from_ids(known.tolist())
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


def ordinary_words(columns: Columns) -> np.ndarray:
    """Keys of the ordinary words that begin among these tokens."""
    ordinary = (columns.of("word_codes") == BEGIN) & (columns.of("word_classes") == ORDINARY_WORD)
    return columns.of(WORD_KEYS)[ordinary]
