"""The annotated document, and blocks of them as flat columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ernie_paddle.data.samples import BEGIN

SAMPLE_COLUMNS: dict[str, np.dtype] = {
    "input_ids": np.dtype(np.int32),
    "span_codes": np.dtype(np.int8),
    "span_kinds": np.dtype(np.int8),
    "capitalization": np.dtype(np.int8),
}
# Word by word, for builders: 0 at the first token of a word, 1 inside; and the class of the token's word.
COLUMNS = SAMPLE_COLUMNS | {"word_codes": np.dtype(np.int8), "word_classes": np.dtype(np.int8)}
ORDINARY_WORD, STOP_WORD, PUNCTUATION = 0, 1, 2
WORD_KEYS = "word_keys"
_SENTENCES = "sentence_lengths"
_MOST_PIECES = 128  # of a word; later ones are not told apart
with np.errstate(over="ignore"):  # wrapping around is meant
    _POWERS = np.full(_MOST_PIECES, 0x9E3779B97F4A7C15, np.uint64).cumprod()  # odd, so that none vanishes

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content", pa.int64(), nullable=False),
        pa.field("group", pa.int64(), nullable=False),
        pa.field("second", pa.int64(), nullable=False),
        pa.field("label", pa.string(), nullable=True),
        pa.field("title_length", pa.int32(), nullable=False),
        pa.field(_SENTENCES, pa.list_(pa.field("item", pa.int32(), nullable=False)), nullable=False),
    ]
    + [
        pa.field(name, pa.list_(pa.field("item", pa.from_numpy_dtype(dtype), nullable=False)), nullable=False)
        for name, dtype in COLUMNS.items()
    ]
)


class FlatColumns(dict[str, np.ndarray]):
    """The columns of many documents end to end, and one more that is made when it is asked for.

    `word_keys` [tokens]: at the first token of each word a 64-bit key of the word's token ids in their order, the same
    for the same word, lower-cased.
    """

    def __missing__(self, name: str) -> np.ndarray:
        if name != WORD_KEYS:
            raise KeyError(name)
        self[name] = word_keys(self["input_ids"], self["word_codes"])
        return self[name]


class Columns(NamedTuple):
    """Tokens `start` to `end` of flat columns, by the names of `COLUMNS`; a column is cut when it is asked for."""

    flat: Mapping[str, np.ndarray]
    start: int
    end: int

    def of(self, name: str) -> np.ndarray:
        """One of the columns, [tokens]."""
        return self.flat[name][self.start : self.end]

    @property
    def tokens(self) -> int:
        return self.end - self.start

    def part(self, start: int, end: int) -> "Columns":
        """Tokens `start` to `end` of these."""
        return Columns(self.flat, self.start + start, self.start + end)


@dataclass(slots=True)
class AnnotatedDocument:
    """One document: `columns` are its tokens, sentence i is tokens `bounds[i]` to `bounds[i + 1]`.

    `index` is its number in its corpus. `label` is that of a labelled pair, whose two texts are its sentences.
    `title` are the title's tokens, none without a title.
    """

    index: int
    bounds: np.ndarray
    columns: Columns
    label: str | None
    title: Columns

    @property
    def sentences(self) -> int:
        return len(self.bounds) - 1

    @property
    def tokens(self) -> int:
        return self.columns.tokens


@dataclass
class AnnotatedBlock:
    """Many documents, `columns` [tokens] with each document's title before its sentences.

    By document: `ids`, `contents` (hashes, see `Document`), `labels`, `title_lengths` (tokens), `sentence_counts`.
    `sentence_lengths` [sentences] without the titles. `groups` are hashes that are equal for what must not stand in
    both training and validation samples: the text, or of a labelled pair the tokens of its first text, for a query
    belongs to one side with all its titles; `seconds` are hashes of the tokens of a pair's second text, 0 for others.
    `met` are the words and names given by the user that were found; they are not stored.
    """

    ids: Sequence[str]
    contents: np.ndarray
    groups: np.ndarray
    seconds: np.ndarray
    labels: Sequence[str | None]
    title_lengths: np.ndarray
    sentence_counts: np.ndarray
    sentence_lengths: np.ndarray
    columns: Mapping[str, np.ndarray]
    met: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.columns = FlatColumns(self.columns)
        self.sentence_offsets = _offsets(self.sentence_counts)
        self._in_sentences = _offsets(self.sentence_lengths)  # tokens before each sentence, without titles
        self.token_offsets = self._in_sentences[self.sentence_offsets] + _offsets(self.title_lengths)

    @cached_property
    def _borders(self) -> tuple[list[int], list[int], list[int]]:
        """Of each document the first sentence, the first token, and the first token after the title."""
        bodies = self.token_offsets[:-1] + self.title_lengths
        return self.sentence_offsets.tolist(), self.token_offsets.tolist(), bodies.tolist()

    def __len__(self) -> int:
        return len(self.contents)

    def document(self, position: int, index: int) -> AnnotatedDocument:
        """The document at a position in the block; `index` is its number in the corpus. Nothing is copied."""
        sentences, tokens, bodies = self._borders
        first, body = sentences[position], bodies[position]
        bounds = self._in_sentences[first : sentences[position + 1] + 1] - self._in_sentences[first]
        title = Columns(self.columns, tokens[position], body)
        columns = Columns(self.columns, body, tokens[position + 1])
        return AnnotatedDocument(index, bounds, columns, self.labels[position], title)

    def keep(self, documents: np.ndarray) -> "AnnotatedBlock":
        """The documents for which the mask is true."""
        sentences = np.repeat(documents, self.sentence_counts)
        tokens = np.repeat(documents, np.diff(self.token_offsets))
        return AnnotatedBlock(
            [name for name, kept in zip(self.ids, documents, strict=True) if kept],
            self.contents[documents],
            self.groups[documents],
            self.seconds[documents],
            [label for label, kept in zip(self.labels, documents, strict=True) if kept],
            self.title_lengths[documents],
            self.sentence_counts[documents],
            self.sentence_lengths[sentences],
            {name: column[tokens] for name, column in self.columns.items()},
            self.met,
        )

    def to_arrow(self) -> pa.RecordBatch:
        """One record batch of `SCHEMA`."""
        sentence_offsets = pa.array(self.sentence_offsets.astype(np.int32))
        token_offsets = pa.array(self.token_offsets.astype(np.int32))
        lengths = pa.array(self.sentence_lengths)
        arrays = [
            pa.array(self.ids, pa.string()),
            pa.array(self.contents),
            pa.array(self.groups),
            pa.array(self.seconds),
            pa.array(self.labels, pa.string()),
            pa.array(self.title_lengths),
            pa.ListArray.from_arrays(sentence_offsets, lengths, type=SCHEMA.field(_SENTENCES).type),
        ]
        arrays += [
            pa.ListArray.from_arrays(token_offsets, pa.array(self.columns[name]), type=SCHEMA.field(name).type)
            for name in COLUMNS
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch) -> "AnnotatedBlock":
        """The documents of a record batch; token columns stay in the mapped file."""
        sentence_lengths = batch.column(_SENTENCES)
        columns = {name: batch.column(name).flatten().to_numpy(zero_copy_only=True) for name in COLUMNS}
        labels = batch.column("label")
        return cls(
            batch.column("id"),
            batch.column("content").to_numpy(),
            batch.column("group").to_numpy(),
            batch.column("second").to_numpy(),
            [None] * len(batch) if labels.null_count == len(batch) else labels.to_pylist(),
            batch.column("title_length").to_numpy(),
            np.diff(sentence_lengths.offsets.to_numpy()),
            sentence_lengths.flatten().to_numpy(),
            columns,
        )


def word_keys(ids: np.ndarray, word_codes: np.ndarray) -> np.ndarray:
    """The keys of `FlatColumns`; the first token begins a word."""
    begins = np.flatnonzero(word_codes == BEGIN)
    keys = np.zeros(len(ids), np.uint64)
    if len(begins):
        place = np.arange(len(ids)) - np.repeat(begins, np.diff(begins, append=len(ids)))
        values = (ids.astype(np.uint64) + np.uint64(1)) * _POWERS[np.minimum(place, _MOST_PIECES - 1)]
        keys[begins] = np.add.reduceat(values, begins)
    return keys


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
