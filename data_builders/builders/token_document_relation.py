"""Token-document relation (paper section 4.2.1): does a token also occur in other segments of its document?

A document is cut into the segments of running text, each a sample. What counts is the token's whole word: its pieces
share a label, 1 if the same word stands in another segment of the document, else 0. Words are compared lower-cased,
as their tokens are; Chinese words are jieba's. A word belongs to the segment in which it begins.
Words without letter or digit have no label; function words have one (both are options).
"""

from typing import ClassVar, Literal

import numpy as np

from data_builders.annotation.document import PUNCTUATION, STOP_WORD, AnnotatedDocument
from data_builders.builders.builder import Draft, Pool, SampleBuilder, Segment, Unsuitable
from data_builders.builders.stretches import whole_stretches
from ernie_paddle.config import Settings
from ernie_paddle.data.samples import BEGIN, IGNORED

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that its powers never vanish

Choice = Literal["label", "ignore"]


class RelationOptions(Settings):
    """Which words have labels; `sub_words`: on all pieces of a word, or on its `first` alone."""

    stop_words: Choice = "label"
    punctuation: Choice = "ignore"
    sub_words: Literal["all", "first"] = "all"


class Builder(SampleBuilder):
    """`[CLS] sentences [SEP]` as for knowledge masking, with labels in `token_document`."""

    name: ClassVar[str] = "token_document_relation"
    version: ClassVar[int] = 1
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    Options: ClassVar[type[Settings]] = RelationOptions

    def compose(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[Draft]:
        segments = whole_stretches(document, self.max_length - 2)
        if len(segments) < 2:
            raise Unsuitable("a single segment")
        labels = self._labels(document, np.array([end for _, end in segments]))
        return [
            Draft([Segment(document, start, end)], token_labels={"token_document": labels[start:end]})
            for start, end in segments
        ]

    def _labels(self, document: AnnotatedDocument, segment_ends: np.ndarray) -> np.ndarray:
        inside = document.columns["word_codes"] != BEGIN
        word = np.cumsum(~inside) - 1
        labels = recurring(document, segment_ends).astype(np.int8)[word]
        classes = document.columns["word_classes"]
        options = self.options
        for word_class, choice in ((STOP_WORD, options.stop_words), (PUNCTUATION, options.punctuation)):
            if choice == "ignore":
                labels[classes == word_class] = IGNORED
        if options.sub_words == "first":
            labels[inside] = IGNORED
        return labels


def recurring(document: AnnotatedDocument, segment_ends: np.ndarray) -> np.ndarray:
    """For each word of a document: does it occur in more than one segment?"""
    begins = np.flatnonzero(document.columns["word_codes"] == BEGIN)
    _, same = np.unique(_word_keys(document.columns["input_ids"], begins), return_inverse=True)
    segment = np.searchsorted(segment_ends, begins, side="right")
    places = np.unique(same * len(segment_ends) + segment)
    return np.bincount(places // len(segment_ends))[same] > 1


def _word_keys(ids: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """A 64-bit key of each word's token ids, in their order."""
    length = np.diff(np.append(begins, len(ids)))
    place = (np.arange(len(ids)) - np.repeat(begins, length)).astype(np.uint64)
    with np.errstate(over="ignore"):  # wrapping around is meant
        return np.add.reduceat((ids.astype(np.uint64) + np.uint64(1)) * np.power(_MULTIPLIER, place), begins)
