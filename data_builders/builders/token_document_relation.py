"""Token-document relation (paper section 4.2.1): does a token also occur in other segments of its document?

A document is cut into the segments of running text, each a sample. What counts is the token's whole word: its pieces
share a label, 1 if the same word stands in another segment of the document, else 0. Words are compared lower-cased,
as their tokens are; Chinese words are jieba's. A word belongs to the segment in which it begins.
Words without letter or digit have no label; function words have one (both are options).
"""

from typing import ClassVar, Literal

import numpy as np

from data_builders.annotation.document import PUNCTUATION, STOP_WORD, WORD_KEYS, AnnotatedDocument
from data_builders.builders.builder import Draft, Pool, SampleBuilder, Unsuitable
from data_builders.builders.stretches import whole_stretches
from ernie_paddle.config import Settings
from ernie_paddle.data.samples import BEGIN, IGNORED

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
            Draft([document.columns.part(start, end)], token_labels={"token_document": labels[start:end]})
            for start, end in segments
        ]

    def _labels(self, document: AnnotatedDocument, segment_ends: np.ndarray) -> np.ndarray:
        inside = document.columns.of("word_codes") != BEGIN
        word = np.cumsum(~inside) - 1
        labels = recurring(document, segment_ends).astype(np.int8)[word]
        classes = document.columns.of("word_classes")
        options = self.options
        for word_class, choice in ((STOP_WORD, options.stop_words), (PUNCTUATION, options.punctuation)):
            if choice == "ignore":
                labels[classes == word_class] = IGNORED
        if options.sub_words == "first":
            labels[inside] = IGNORED
        return labels


def recurring(document: AnnotatedDocument, segment_ends: np.ndarray) -> np.ndarray:
    """For each word of a document: does it occur in more than one segment?"""
    begins = np.flatnonzero(document.columns.of("word_codes") == BEGIN)
    keys = document.columns.of(WORD_KEYS)[begins]
    order = np.argsort(keys, kind="stable")  # equal words together, each in the order of the text
    new = np.ones(len(order), bool)
    new[1:] = keys[order[1:]] != keys[order[:-1]]
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(order)) - 1
    segment = np.searchsorted(segment_ends, begins[order], side="right")
    result = np.empty(len(order), bool)
    result[order] = (segment[first] != segment[last])[np.cumsum(new) - 1]
    return result
