"""Batches: samples padded to a rectangle."""

from dataclasses import dataclass

import numpy as np

from ernie_paddle.data.samples import IGNORED, TOKEN_COLUMNS, SampleBlock, ranges


@dataclass
class Batch:
    """Samples as padded arrays.

    `rows` [batch] are the samples' numbers in their table, `columns` [batch, length] the token columns
    (padding: the vocabulary's pad id in `input_ids`, 0 in `sentence_ids`, -1 elsewhere), `labels` [batch].
    """

    rows: np.ndarray
    lengths: np.ndarray
    columns: dict[str, np.ndarray]
    labels: np.ndarray

    @property
    def tokens(self) -> int:
        """Real tokens, padding left out."""
        return int(self.lengths.sum())

    @property
    def padded_tokens(self) -> int:
        return int(self.columns["input_ids"].size)


def collate(block: SampleBlock, rows: np.ndarray, pad_id: int, length_multiple: int) -> Batch:
    """Pad samples to the longest of them, rounded up to a multiple of `length_multiple`."""
    longest = int(block.lengths.max())
    width = -(-longest // length_multiple) * length_multiple
    cells = ranges(np.arange(len(block)) * width, block.lengths)
    columns = {}
    for name, dtype in TOKEN_COLUMNS.items():
        filler = {"input_ids": pad_id, "sentence_ids": 0}.get(name, IGNORED)
        column = np.full(len(block) * width, filler, dtype)
        column[cells] = block.columns[name]
        columns[name] = column.reshape(len(block), width)
    return Batch(rows, block.lengths, columns, block.labels)
