"""Batches: samples end to end, and the rectangle that attention lays them out in."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ernie_paddle.data.samples import SEQUENCE_STARTS, SampleBlock, ranges

LENGTH_MULTIPLE = 8  # rectangles are as wide as a multiple of it: shapes stay few, and suit tensor cores


@dataclass
class Batch:
    """Samples end to end: no token is padding.

    `rows` [samples] are the samples' numbers in their table, `columns` each [tokens], `labels` [samples, ...]. A sample
    is one sequence of tokens, or several: `sequences` [samples] says how many, `lengths` [sequences] of which length.
    """

    rows: np.ndarray
    sequences: np.ndarray
    lengths: np.ndarray
    columns: dict[str, np.ndarray]
    labels: np.ndarray

    @classmethod
    def of(cls, block: SampleBlock, rows: np.ndarray) -> "Batch":
        """All samples of a block, which have these numbers in their table."""
        lengths, sequences = block.lengths, np.ones(len(block), np.int64)
        if SEQUENCE_STARTS in block.columns:
            starts = np.append(np.flatnonzero(block.columns[SEQUENCE_STARTS]), block.lengths.sum())
            lengths = np.diff(starts)
            sequences = np.diff(np.searchsorted(starts, np.append(0, np.cumsum(block.lengths))))
        return cls(rows, sequences, lengths, dict(block.columns), block.labels)

    @cached_property
    def first_tokens(self) -> np.ndarray:
        """Where each sequence begins, [sequences]."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def positions(self) -> np.ndarray:
        """Each token's place in its sequence, [tokens]."""
        return ranges(np.zeros_like(self.lengths), self.lengths)

    @cached_property
    def row_of_token(self) -> np.ndarray:
        """The number of each token's sample in its table, [tokens]."""
        return np.repeat(np.repeat(self.rows, self.sequences), self.lengths)

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())


@dataclass(frozen=True)
class Rectangle:
    """Places of tokens that stand end to end in a rectangle with a sample a row.

    `token_of_cell` [samples, width] is -1 where there is none; `cell_of_token` [tokens] is row * width + column.
    """

    token_of_cell: np.ndarray
    cell_of_token: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray) -> "Rectangle":
        """The rectangle for samples of so many tokens each."""
        longest = int(counts.max(initial=1))
        width = -(-longest // LENGTH_MULTIPLE) * LENGTH_MULTIPLE if longest > 1 else 1
        cells = ranges(np.arange(len(counts)) * width, counts)
        tokens = np.full(len(counts) * width, -1, np.int64)
        tokens[cells] = np.arange(len(cells))
        return cls(tokens.reshape(len(counts), width), cells)

    def filled(self, column: np.ndarray, padding: int) -> np.ndarray:
        """A column of the tokens in the rectangle, `padding` elsewhere."""
        return np.where(self.token_of_cell < 0, padding, column[self.token_of_cell]).astype(column.dtype)
