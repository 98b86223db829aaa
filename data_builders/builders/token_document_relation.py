"""Token-document relation (paper section 4.2.1): does a token also occur in other segments of its document?

A document is cut into the segments of running text, each a sample. What counts is the token's whole word: its pieces
share a label, 1 if the same word stands in another segment of the document, else 0. Words are compared lower-cased,
as their tokens are; Chinese words are jieba's. A word belongs to the segment in which it begins.
Words without letter or digit have no label; function words have one (both are options).
"""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from data_builders.annotation.document import PUNCTUATION, STOP_WORD, WORD_KEYS, AnnotatedDocument, Columns
from data_builders.builders.builder import Draft, Pool, SampleBuilder
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

    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: Pool, random: np.random.Generator, dropped: Counter[str]
    ) -> list[Draft]:
        cut = [(document.columns, whole_stretches(document, self.max_length - 2)) for document in documents]
        cut = [(columns, segments) for columns, segments in cut if len(segments) > 1]
        if len(cut) < len(documents):
            dropped["a single segment"] += len(documents) - len(cut)
        if not cut:
            return []
        segments = [columns.part(start, end) for columns, segments in cut for start, end in segments]
        labels = self._labels([columns for columns, _ in cut], segments)
        ends = np.cumsum([segment.tokens for segment in segments]).tolist()
        return [
            Draft([segment], token_labels={"token_document": labels[end - segment.tokens : end]})
            for segment, end in zip(segments, ends, strict=True)
        ]

    def _labels(self, documents: list[Columns], segments: list[Columns]) -> np.ndarray:
        """The labels of all tokens of documents, which the segments cover."""
        codes, classes, keys = (
            np.concatenate([document.of(name) for document in documents])
            for name in ("word_codes", "word_classes", WORD_KEYS)
        )
        begins = np.flatnonzero(codes == BEGIN)
        document = np.repeat(np.arange(len(documents)), [document.tokens for document in documents])
        segment = np.repeat(np.arange(len(segments)), [segment.tokens for segment in segments])
        words = recurring(keys[begins], document[begins], segment[begins])
        labels = np.repeat(words.astype(np.int8), np.diff(begins, append=len(codes)))
        for word_class, choice in ((STOP_WORD, self.options.stop_words), (PUNCTUATION, self.options.punctuation)):
            if choice == "ignore":
                labels[classes == word_class] = IGNORED
        if self.options.sub_words == "first":
            labels[codes != BEGIN] = IGNORED
        return labels


def recurring(keys: np.ndarray, documents: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """For each word of a text: does its document have it in more than one segment?

    Args:
        keys: of the words, [words]; equal for equal words.
        documents, segments: the numbers of each word's document and segment, in ascending order, [words].
    """
    order = np.argsort(keys, kind="stable")  # equal words together, in the order of the text and so of documents
    new = np.ones(len(order), bool)
    new[1:] = (keys[order[1:]] != keys[order[:-1]]) | (documents[order[1:]] != documents[order[:-1]])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(order)) - 1
    result = np.empty(len(order), bool)
    result[order] = (segments[order[first]] != segments[order[last]])[np.cumsum(new) - 1]
    return result
