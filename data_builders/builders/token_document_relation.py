"""Token-document relation (paper section 4.2.1): predict whether a token also occurs in other segments of its document.

A document is cut into segments as for knowledge masking; each segment is a sample. Whole words are compared: all pieces
of a word have the label 1 if the word also occurs in another segment of the document, else 0. Words are lower-cased;
Chinese words are jieba's. A word belongs to the segment in which it begins. By default, function words have labels and
words without a letter or digit have none.
"""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from data_builders.annotation.document import PUNCTUATION, STOP_WORD, WORD_KEYS, AnnotatedDocument, TokenColumns
from data_builders.builders.builder import Pool, SampleBuilder, SampleDraft
from data_builders.builders.chunks import token_chunks
from ernie_paddle.config import Settings
from ernie_paddle.data.schema import IGNORED, Column
from ernie_paddle.data.spans import BEGIN

RELATION = Column("token_document", "token", ("here only", "elsewhere too"))

LabelOrIgnore = Literal["label", "ignore"]


class TokenDocumentRelationOptions(Settings):
    """Options of the builder."""

    stop_words: LabelOrIgnore = "label"
    """Whether function words have labels."""
    punctuation: LabelOrIgnore = "ignore"
    """Whether words without letter or digit have labels."""
    sub_words: Literal["all", "first"] = "all"
    """Label `all` pieces of a word or the `first` alone."""


class TokenDocumentRelationBuilder(SampleBuilder):
    """A builder of `[CLS] sentences [SEP]` as for knowledge masking, with labels in the column `token_document`."""

    name: ClassVar[str] = "token_document_relation"
    version: ClassVar[int] = 1
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    Options: ClassVar[type[Settings]] = TokenDocumentRelationOptions

    @property
    def columns(self) -> tuple[Column, ...]:
        return (RELATION,)

    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: Pool, random: np.random.Generator, dropped: Counter[str]
    ) -> list[SampleDraft]:
        chunked = [(document.columns, token_chunks(document, self.max_length - 2)) for document in documents]
        usable = [(columns, chunks) for columns, chunks in chunked if len(chunks) > 1]
        if len(usable) < len(documents):
            dropped["a single segment"] += len(documents) - len(usable)
        if not usable:
            return []
        segments = [columns.part(start, end) for columns, chunks in usable for start, end in chunks]
        labels = self._labels([columns for columns, _ in usable], segments)
        ends = np.cumsum([segment.tokens for segment in segments]).tolist()
        return [
            SampleDraft([segment], columns={RELATION.name: labels[end - segment.tokens : end]})
            for segment, end in zip(segments, ends, strict=True)
        ]

    def _labels(self, documents: list[TokenColumns], segments: list[TokenColumns]) -> np.ndarray:
        """Return the labels of all tokens of documents [tokens]; the segments cover the documents."""
        bi_tags, classes, keys = (
            np.concatenate([document.of(name) for document in documents])
            for name in ("word_bi_tags", "word_classes", WORD_KEYS)
        )
        begins = np.flatnonzero(bi_tags == BEGIN)
        document = np.repeat(np.arange(len(documents)), [document.tokens for document in documents])
        segment = np.repeat(np.arange(len(segments)), [segment.tokens for segment in segments])
        words = recurring(keys[begins], document[begins], segment[begins])
        labels = np.repeat(words.astype(np.int8), np.diff(begins, append=len(bi_tags)))
        for word_class, choice in ((STOP_WORD, self.options.stop_words), (PUNCTUATION, self.options.punctuation)):
            if choice == "ignore":
                labels[classes == word_class] = IGNORED
        if self.options.sub_words == "first":
            labels[bi_tags != BEGIN] = IGNORED
        return labels


def recurring(keys: np.ndarray, documents: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Return which words occur in more than one segment of their document, bool [words].

    Args:
        keys: keys of the words, equal for equal words [words].
        documents, segments: the numbers of each word's document and segment, ascending [words].
    """
    order = np.argsort(keys, kind="stable")  # groups equal words, in the order of the text
    new = np.ones(len(order), bool)
    new[1:] = (keys[order[1:]] != keys[order[:-1]]) | (documents[order[1:]] != documents[order[:-1]])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(order)) - 1
    result = np.empty(len(order), bool)
    result[order] = (segments[order[first]] != segments[order[last]])[np.cumsum(new) - 1]
    return result
