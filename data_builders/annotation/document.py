"""The annotated document, and blocks of them as flat columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

SAMPLE_COLUMNS: dict[str, np.dtype] = {
    "input_ids": np.dtype(np.int32),
    "span_codes": np.dtype(np.int8),
    "span_kinds": np.dtype(np.int8),
    "capitalization": np.dtype(np.int8),
}
# Word by word, for builders: 0 at the first token of a word, 1 inside; and the class of the token's word.
COLUMNS = SAMPLE_COLUMNS | {"word_codes": np.dtype(np.int8), "word_classes": np.dtype(np.int8)}
ORDINARY_WORD, STOP_WORD, PUNCTUATION = 0, 1, 2
_SENTENCES = "sentence_lengths"

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content", pa.int64(), nullable=False),
        pa.field(_SENTENCES, pa.list_(pa.field("item", pa.int32(), nullable=False)), nullable=False),
    ]
    + [
        pa.field(name, pa.list_(pa.field("item", pa.from_numpy_dtype(dtype), nullable=False)), nullable=False)
        for name, dtype in COLUMNS.items()
    ]
)


@dataclass(frozen=True)
class AnnotatedDocument:
    """One document: `columns` [tokens] by the names of `COLUMNS`, sentence i is tokens `bounds[i]` to `bounds[i + 1]`.

    `index` is its number in its corpus.
    """

    index: int
    bounds: np.ndarray
    columns: dict[str, np.ndarray]

    @property
    def sentences(self) -> int:
        return len(self.bounds) - 1

    @property
    def tokens(self) -> int:
        return int(self.bounds[-1])


@dataclass
class AnnotatedBlock:
    """Many documents: `sentence_counts` [documents], `sentence_lengths` [sentences], `columns` [tokens].

    `contents` [documents] are the hashes of the documents' text.
    """

    ids: Sequence[str]
    contents: np.ndarray
    sentence_counts: np.ndarray
    sentence_lengths: np.ndarray
    columns: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        self.sentence_offsets = _offsets(self.sentence_counts)
        self.token_offsets = _offsets(self.sentence_lengths)[self.sentence_offsets]

    def __len__(self) -> int:
        return len(self.contents)

    def document(self, position: int, index: int) -> AnnotatedDocument:
        """The document at a position in the block; `index` is its number in the corpus. Nothing is copied."""
        first, last = self.sentence_offsets[position : position + 2]
        start, end = self.token_offsets[position : position + 2]
        columns = {name: column[start:end] for name, column in self.columns.items()}
        return AnnotatedDocument(index, _offsets(self.sentence_lengths[first:last]), columns)

    def keep(self, documents: np.ndarray) -> "AnnotatedBlock":
        """The documents for which the mask is true."""
        sentences = np.repeat(documents, self.sentence_counts)
        tokens = np.repeat(sentences, self.sentence_lengths)
        return AnnotatedBlock(
            [name for name, kept in zip(self.ids, documents, strict=True) if kept],
            self.contents[documents],
            self.sentence_counts[documents],
            self.sentence_lengths[sentences],
            {name: column[tokens] for name, column in self.columns.items()},
        )

    def to_arrow(self) -> pa.RecordBatch:
        """One record batch of `SCHEMA`."""
        sentence_offsets = pa.array(self.sentence_offsets.astype(np.int32))
        token_offsets = pa.array(self.token_offsets.astype(np.int32))
        arrays = [
            pa.array(self.ids, pa.string()),
            pa.array(self.contents),
            pa.ListArray.from_arrays(
                sentence_offsets, pa.array(self.sentence_lengths), type=SCHEMA.field(_SENTENCES).type
            ),
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
        return cls(
            batch.column("id").to_pylist(),
            batch.column("content").to_numpy(),
            np.diff(sentence_lengths.offsets.to_numpy()),
            sentence_lengths.flatten().to_numpy(),
            columns,
        )


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
