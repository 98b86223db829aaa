"""Samples, which are training examples of any task, and their Arrow columns.

`-1` means that a value does not apply: in token columns at special tokens and for tasks or languages without this
label, and in `label` for samples without one.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

IGNORED = -1
WORD, PHRASE, NAMED_ENTITY = 0, 1, 2
BEGIN, INSIDE = 0, 1

TOKEN_COLUMNS: dict[str, np.dtype[Any]] = {
    "input_ids": np.dtype(np.int32),
    "sentence_ids": np.dtype(np.int8),
    "bi_tags": np.dtype(np.int8),
    "span_kinds": np.dtype(np.int8),
    "capitalization": np.dtype(np.int8),
    "token_document": np.dtype(np.int8),
}
LABEL_COLUMN = "label"
SEQUENCE_STARTS = "sequence_starts"  # a column for samples of several sequences: 1 at the first token of each, else 0

SCHEMA = pa.schema(
    [
        pa.field(name, pa.list_(pa.field("item", pa.from_numpy_dtype(dtype), nullable=False)), nullable=False)
        for name, dtype in TOKEN_COLUMNS.items()
    ]
    + [pa.field(LABEL_COLUMN, pa.int16(), nullable=False)]
)


@dataclass
class SampleBlock:
    """Packed samples: token columns [tokens], `lengths` [samples], `labels` [samples, ...].

    Missing token columns are filled with -1 (sentence ids with 0). Columns other than `TOKEN_COLUMNS` are allowed.
    """

    lengths: np.ndarray
    columns: dict[str, np.ndarray]
    labels: np.ndarray = field(default_factory=lambda: np.empty(0, np.int16))

    def __post_init__(self) -> None:
        tokens = int(self.lengths.sum())
        for name, dtype in TOKEN_COLUMNS.items():
            if name in self.columns:
                self.columns[name] = np.asarray(self.columns[name], dtype)
            else:
                self.columns[name] = np.full(tokens, 0 if name == "sentence_ids" else IGNORED, dtype)
        for name, column in self.columns.items():
            if column.shape != (tokens,):
                raise ValueError(f"column {name} holds {column.shape} values for {tokens} tokens")
        if len(self.labels) == 0:
            self.labels = np.full(len(self.lengths), IGNORED, np.int16)
        if len(self.labels) != len(self.lengths):
            raise ValueError(f"{len(self.labels)} labels for {len(self.lengths)} samples")

    def __len__(self) -> int:
        return len(self.lengths)

    def digest(self) -> str:
        """Return a hash of all values."""
        sha256 = hashlib.sha256(self.lengths.astype(np.int64).tobytes())
        for name in sorted(self.columns):
            sha256.update(name.encode() + self.columns[name].tobytes())
        sha256.update(np.ascontiguousarray(self.labels).tobytes())
        return sha256.hexdigest()

    def to_arrow(self) -> pa.RecordBatch:
        """Return the samples as one record batch of `SCHEMA`."""
        offsets = pa.array(np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32))
        arrays: list[pa.Array] = [
            pa.ListArray.from_arrays(offsets, pa.array(self.columns[name]), type=SCHEMA.field(name).type)
            for name in TOKEN_COLUMNS
        ]
        arrays.append(pa.array(self.labels.astype(np.int16)))
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch) -> "SampleBlock":
        """Return the samples of a record batch, without copying the token columns."""
        lists = {name: batch.column(name) for name in TOKEN_COLUMNS}
        offsets = lists["input_ids"].offsets.to_numpy()
        columns = {name: values.flatten().to_numpy(zero_copy_only=True) for name, values in lists.items()}
        return cls(np.diff(offsets), columns, batch.column(LABEL_COLUMN).to_numpy())


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenate the ranges `starts[i], starts[i] + 1, ...` of `lengths[i]` integers."""
    before = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else np.empty(0, np.int64)
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
