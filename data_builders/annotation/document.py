"""The annotated document, and blocks of documents as flat columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ernie_paddle.data.schema import INPUT_IDS
from ernie_paddle.data.spans import BEGIN, SPANS

# The columns of every annotation; `word_keys` of a cased vocabulary and those of token features follow.
# `word_bi_tags`: BI tags of whole words. `word_classes`: the class of the word that a token belongs to.
COLUMNS: dict[str, np.dtype] = {
    INPUT_IDS: np.dtype(np.int32),
    **{column.name: np.dtype(column.dtype) for column in SPANS},
    "word_bi_tags": np.dtype(np.int8),
    "word_classes": np.dtype(np.int8),
}
ORDINARY_WORD, STOP_WORD, PUNCTUATION = 0, 1, 2
WORD_KEYS = "word_keys"
_SENTENCES = "sentence_lengths"
_MAX_PIECES = 128  # of a word; the order of later pieces does not count
with np.errstate(over="ignore"):  # overflow is intended
    _POWERS = np.full(_MAX_PIECES, 0x9E3779B97F4A7C15, np.uint64).cumprod()  # odd, so that no power becomes 0

_DOCUMENT_FIELDS = (
    pa.field("id", pa.string(), nullable=False),
    pa.field("content", pa.int64(), nullable=False),
    pa.field("group", pa.int64(), nullable=False),
    pa.field("second_text", pa.int64(), nullable=False),
    pa.field("label", pa.string(), nullable=True),
    pa.field("title_length", pa.int32(), nullable=False),
    pa.field(_SENTENCES, pa.list_(pa.field("item", pa.int32(), nullable=False)), nullable=False),
)


def arrow_schema(dtypes: Mapping[str, np.dtype] = COLUMNS) -> pa.Schema:
    """Return the schema of annotated documents whose token columns have these dtypes."""
    return pa.schema(
        [
            *_DOCUMENT_FIELDS,
            *(
                pa.field(name, pa.list_(pa.field("item", pa.from_numpy_dtype(dtype), nullable=False)), nullable=False)
                for name, dtype in dtypes.items()
            ),
        ]
    )


class FlatColumns(dict[str, np.ndarray]):
    """The concatenated columns of many documents; the column `word_keys` may be computed when it is first read.

    `word_keys` [tokens] has, at the first token of each word, a 64-bit hash of the word in lower case; it is 0
    elsewhere. With a lower-cased vocabulary, the token ids tell the word. The ids of a cased one do not tell that `The`
    and `the` are the same word, so that the annotation stores the column.
    """

    def __missing__(self, name: str) -> np.ndarray:
        if name != WORD_KEYS:
            raise KeyError(name)
        self[name] = word_keys(self["input_ids"], self["word_bi_tags"])
        return self[name]


class TokenColumns(NamedTuple):
    """A view of tokens `start` to `end` of flat columns: those of `COLUMNS` and of token features."""

    flat: Mapping[str, np.ndarray]
    start: int
    end: int

    def of(self, name: str) -> np.ndarray:
        """Return a column [tokens]."""
        return self.flat[name][self.start : self.end]

    @property
    def tokens(self) -> int:
        return self.end - self.start

    def part(self, start: int, end: int) -> "TokenColumns":
        """Return a view of tokens `start` to `end` of this view."""
        return TokenColumns(self.flat, self.start + start, self.start + end)


@dataclass(slots=True)
class AnnotatedDocument:
    """An annotated document.

    Attributes:
        index: its number in its corpus.
        bounds: sentence i is tokens `bounds[i]` to `bounds[i + 1]` [sentences + 1].
        columns: its tokens, without the title.
        label: the label of a labelled pair, whose two texts are its sentences; None for other documents.
        title: the tokens of the title; empty without a title.
    """

    index: int
    bounds: np.ndarray
    columns: TokenColumns
    label: str | None
    title: TokenColumns

    @property
    def sentences(self) -> int:
        return len(self.bounds) - 1

    @property
    def tokens(self) -> int:
        return self.columns.tokens


@dataclass
class AnnotatedBlock:
    """Many annotated documents as flat columns.

    Attributes:
        ids, labels: see `Document` [documents].
        contents: the hashes of `Document.content` [documents].
        groups: hashes [documents]; documents with equal hashes are in the same split. Hash of the text; of a labelled
            pair, hash of the tokens of its first text, so that all titles of a query are in one split.
        second_text_hashes: hashes of the tokens of a pair's second text, 0 for other documents [documents].
        title_lengths: tokens of the title [documents].
        sentence_counts: [documents].
        sentence_lengths: tokens of each sentence, titles excluded [sentences].
        columns: those of `COLUMNS` and of token features [tokens]; the title of a document precedes its sentences.
        entries_found: the user's words and names that occur in the documents; they are not stored.
    """

    ids: Sequence[str]
    contents: np.ndarray
    groups: np.ndarray
    second_text_hashes: np.ndarray
    labels: Sequence[str | None]
    title_lengths: np.ndarray
    sentence_counts: np.ndarray
    sentence_lengths: np.ndarray
    columns: Mapping[str, np.ndarray]
    entries_found: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.columns = FlatColumns(self.columns)
        self.sentence_offsets = _offsets(self.sentence_counts)
        self._in_sentences = _offsets(self.sentence_lengths)  # tokens before each sentence, without titles
        self.token_offsets = self._in_sentences[self.sentence_offsets] + _offsets(self.title_lengths)

    @cached_property
    def _document_starts(self) -> tuple[list[int], list[int], list[int]]:
        """The first sentence, the first token and the first token after the title of each document."""
        bodies = self.token_offsets[:-1] + self.title_lengths
        return self.sentence_offsets.tolist(), self.token_offsets.tolist(), bodies.tolist()

    def __len__(self) -> int:
        return len(self.contents)

    def document(self, position: int, index: int) -> AnnotatedDocument:
        """Return a view of the document at a position in the block; `index` is its number in the corpus."""
        sentences, tokens, bodies = self._document_starts
        first, body = sentences[position], bodies[position]
        bounds = self._in_sentences[first : sentences[position + 1] + 1] - self._in_sentences[first]
        title = TokenColumns(self.columns, tokens[position], body)
        columns = TokenColumns(self.columns, body, tokens[position + 1])
        return AnnotatedDocument(index, bounds, columns, self.labels[position], title)

    def keep(self, documents: np.ndarray) -> "AnnotatedBlock":
        """Return the documents for which the mask `documents` is true."""
        sentences = np.repeat(documents, self.sentence_counts)
        tokens = np.repeat(documents, np.diff(self.token_offsets))
        return AnnotatedBlock(
            [name for name, kept in zip(self.ids, documents, strict=True) if kept],
            self.contents[documents],
            self.groups[documents],
            self.second_text_hashes[documents],
            [label for label, kept in zip(self.labels, documents, strict=True) if kept],
            self.title_lengths[documents],
            self.sentence_counts[documents],
            self.sentence_lengths[sentences],
            {name: column[tokens] for name, column in self.columns.items()},
            self.entries_found,
        )

    def to_arrow(self, schema: pa.Schema) -> pa.RecordBatch:
        """Return a record batch of an `arrow_schema`."""
        sentence_offsets = pa.array(self.sentence_offsets.astype(np.int32))
        token_offsets = pa.array(self.token_offsets.astype(np.int32))
        lengths = pa.array(self.sentence_lengths)
        arrays = [
            pa.array(self.ids, pa.string()),
            pa.array(self.contents),
            pa.array(self.groups),
            pa.array(self.second_text_hashes),
            pa.array(self.labels, pa.string()),
            pa.array(self.title_lengths),
            pa.ListArray.from_arrays(sentence_offsets, lengths, type=schema.field(_SENTENCES).type),
        ]
        arrays += [
            pa.ListArray.from_arrays(token_offsets, pa.array(self.columns[name]), type=schema.field(name).type)
            for name in schema.names[len(_DOCUMENT_FIELDS) :]
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch) -> "AnnotatedBlock":
        """Read the documents of a record batch; token columns are views of the mapped file."""
        sentence_lengths = batch.column(_SENTENCES)
        names = batch.schema.names[len(_DOCUMENT_FIELDS) :]
        columns = {name: batch.column(name).flatten().to_numpy(zero_copy_only=True) for name in names}
        labels = batch.column("label")
        return cls(
            batch.column("id"),
            batch.column("content").to_numpy(),
            batch.column("group").to_numpy(),
            batch.column("second_text").to_numpy(),
            [None] * len(batch) if labels.null_count == len(batch) else labels.to_pylist(),
            batch.column("title_length").to_numpy(),
            np.diff(sentence_lengths.offsets.to_numpy()),
            sentence_lengths.flatten().to_numpy(),
            columns,
        )


def joined_word_keys(views: Sequence[TokenColumns]) -> np.ndarray:
    """Return the column `word_keys` of several views [tokens]. It is not computed for the rest of their blocks."""
    if all(WORD_KEYS in view.flat for view in views):
        return np.concatenate([view.of(WORD_KEYS) for view in views])
    return word_keys(*(np.concatenate([view.of(name) for view in views]) for name in (INPUT_IDS, "word_bi_tags")))


def word_keys(ids: np.ndarray, word_bi_tags: np.ndarray) -> np.ndarray:
    """Return the column `word_keys` of a lower-cased vocabulary [tokens]; the first token must begin a word."""
    begins = np.flatnonzero(word_bi_tags == BEGIN)
    keys = np.zeros(len(ids), np.uint64)
    if len(begins):
        piece = np.arange(len(ids)) - np.repeat(begins, np.diff(begins, append=len(ids)))
        values = (ids.astype(np.uint64) + np.uint64(1)) * _POWERS[np.minimum(piece, _MAX_PIECES - 1)]
        keys[begins] = np.add.reduceat(values, begins)
    return keys


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
