"""Batches of packed samples, and the padded layout that attention uses."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ernie_paddle.data.samples import SEQUENCE_STARTS, SampleBlock, ranges

LENGTH_MULTIPLE = 8  # of the width of padded layouts: shapes stay few and suit tensor cores


@dataclass
class Batch:
    """Packed samples: no token is padding.

    `rows` [samples] are the numbers that key what is random about each sample: its row number in its table, or its draw
    of a `BatchOrder`. `columns` are each [tokens], `sample_columns` are each [samples, ...]. A sample is one sequence
    of tokens or several: `sequences` [samples] counts them and `lengths` [sequences] are their lengths in tokens.
    """

    rows: np.ndarray
    sequences: np.ndarray
    lengths: np.ndarray
    columns: dict[str, np.ndarray]
    sample_columns: dict[str, np.ndarray]

    @classmethod
    def of(cls, block: SampleBlock, rows: np.ndarray) -> "Batch":
        """Return a batch of all samples of a block; `rows` are their numbers."""
        lengths, sequences = block.lengths, np.ones(len(block), np.int64)
        if SEQUENCE_STARTS in block.columns:
            starts = np.append(np.flatnonzero(block.columns[SEQUENCE_STARTS]), block.lengths.sum())
            lengths = np.diff(starts)
            sequences = np.diff(np.searchsorted(starts, np.append(0, np.cumsum(block.lengths))))
        return cls(rows, sequences, lengths, dict(block.columns), block.sample_columns)

    @cached_property
    def first_tokens(self) -> np.ndarray:
        """The index of the first token of each sequence, [sequences]."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def positions(self) -> np.ndarray:
        """The position of each token in its sequence, [tokens]."""
        return ranges(np.zeros_like(self.lengths), self.lengths)

    @cached_property
    def row_of_token(self) -> np.ndarray:
        """The number of each token's sample, one of `rows`, [tokens]."""
        return np.repeat(np.repeat(self.rows, self.sequences), self.lengths)

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())


@dataclass(frozen=True)
class PaddedLayout:
    """The layout that pads packed sequences to one width, with one sequence per row.

    `padded_to_token` [sequences, width] is the index of the token at each position, -1 at padding. `token_to_padded`
    [tokens] is row * width + column.
    """

    padded_to_token: np.ndarray
    token_to_padded: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray) -> "PaddedLayout":
        """Return the layout of sequences with these numbers of tokens."""
        longest = int(counts.max(initial=1))
        width = -(-longest // LENGTH_MULTIPLE) * LENGTH_MULTIPLE if longest > 1 else 1
        token_to_padded = ranges(np.arange(len(counts)) * width, counts)
        padded_to_token = np.full(len(counts) * width, -1, np.int64)
        padded_to_token[token_to_padded] = np.arange(len(token_to_padded))
        return cls(padded_to_token.reshape(len(counts), width), token_to_padded)

    def pad(self, column: np.ndarray, padding: int) -> np.ndarray:
        """Pad a column [tokens] to [sequences, width], with the value `padding`."""
        return np.where(self.padded_to_token < 0, padding, column[self.padded_to_token]).astype(column.dtype)
