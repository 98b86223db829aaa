"""Samples, which are training examples of any task."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ernie_paddle.data.schema import INPUT_IDS, SENTENCE_IDS, Column

SEQUENCE_STARTS = "sequence_starts"  # a column for samples of several sequences: 1 at the first token of each, else 0

# Lengths [samples], columns [tokens] and sample columns [samples, ...] by name, as a block stores them.
Parts = tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]


@dataclass
class SampleBlock:
    """Packed samples.

    `lengths` [samples] are in tokens. `columns` hold a value for every token, [tokens]: `input_ids`, `sentence_ids`
    (0 if they are not given) and any others. `sample_columns` hold the values of samples, [samples, ...].

    Raises:
        ValueError: a column has another length.
    """

    lengths: np.ndarray
    columns: dict[str, np.ndarray]
    sample_columns: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tokens = int(self.lengths.sum())
        self.columns[INPUT_IDS] = np.asarray(self.columns[INPUT_IDS], np.int32)
        sentence_ids = self.columns.get(SENTENCE_IDS)
        self.columns[SENTENCE_IDS] = np.zeros(tokens, np.int8) if sentence_ids is None else np.asarray(sentence_ids)
        for name, column in self.columns.items():
            if column.shape != (tokens,):
                raise ValueError(f"column {name} holds {column.shape} values for {tokens} tokens")
        for name, column in self.sample_columns.items():
            if len(column) != len(self.lengths):
                raise ValueError(f"column {name} holds {len(column)} values for {len(self.lengths)} samples")

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def most_segments(self) -> int:
        """The greatest number of segments of a sample."""
        return int(self.columns[SENTENCE_IDS].max(initial=-1)) + 1

    def values(self, column: Column) -> np.ndarray:
        """Return the values of a declared column: [tokens], or [samples] of a sentence-level one.

        Raises:
            ValueError: the samples lack the column.
        """
        columns = self.columns if column.level == "token" else self.sample_columns
        if column.name not in columns:
            raise ValueError(f"the samples lack the declared column '{column.name}'")
        return columns[column.name]

    def parts(self, rows: np.ndarray) -> Parts:
        """Return the samples at these rows, in this order, in parts that `unpacked` takes."""
        source = ranges((np.cumsum(self.lengths) - self.lengths)[rows], self.lengths[rows])
        columns = {name: column[source] for name, column in self.columns.items()}
        return self.lengths[rows], columns, {name: column[rows] for name, column in self.sample_columns.items()}

    def unpacked(self, parts: Parts) -> "SampleBlock":
        """Return the samples of some parts, of this block or joined with others."""
        return SampleBlock(*parts)

    def take(self, rows: np.ndarray) -> "SampleBlock":
        """Return the samples at these rows, in this order."""
        return self.unpacked(self.parts(rows))

    def digest(self) -> str:
        """Return a hash of all values."""
        sha256 = hashlib.sha256(self.lengths.astype(np.int64).tobytes())
        for columns in (self.columns, self.sample_columns):
            for name in sorted(columns):
                sha256.update(name.encode() + np.ascontiguousarray(columns[name], np.float64).tobytes())
        return sha256.hexdigest()


def joined(parts: Sequence[Parts], positions: np.ndarray) -> Parts:
    """Join parts with the same columns; the samples come to `positions` in the result [samples]."""
    order = np.argsort(positions)
    lengths = np.concatenate([part[0] for part in parts])
    source = ranges((np.cumsum(lengths) - lengths)[order], lengths[order])
    columns, sample_columns = (
        {name: np.concatenate([part[level][name] for part in parts])[index] for name in parts[0][level]}
        for level, index in ((1, source), (2, order))
    )
    return lengths[order], columns, sample_columns


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenate the ranges `starts[i], starts[i] + 1, ...` of `lengths[i]` integers."""
    before = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else np.empty(0, np.int64)
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
