"""The declared columns of samples.

A sample has token ids, sentence ids and any number of further columns. Tasks declare the column that holds their
labels, sample builders the columns that they fill. Shards carry the declarations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

IGNORED = -1  # a value that does not apply: at special tokens, and for tokens or samples without a label
INPUT_IDS, SENTENCE_IDS = "input_ids", "sentence_ids"
SEGMENT_LENGTHS, FLAGS = "segment_lengths", "flags_"  # fields of shards, see `storage.py`
MAX_SEGMENTS = 4  # of a sample; the release's models have four sentence types
LABEL = "label"  # the usual column of sentence-level labels

Level = Literal["token", "sentence"]
Dtype = Literal["int8", "int16", "int32"]


@dataclass(frozen=True)
class Column:
    """A column of samples: class ids from 0, or -1 where there is no label.

    With the level `token` there is a value for every token, with `sentence` one for the sample. `labels` name the
    classes in the order of their ids; they are empty if the classes have no names.

    Raises:
        ValueError: the name is taken, or the dtype cannot hold all class ids.
    """

    name: str
    level: Level
    labels: tuple[str, ...] = ()
    dtype: Dtype = "int8"

    def __post_init__(self) -> None:
        if self.name in (INPUT_IDS, SENTENCE_IDS, SEGMENT_LENGTHS) or self.name.startswith(FLAGS):
            raise ValueError(f"column '{self.name}': the name is taken by a field that shards have anyway")
        if len(self.labels) > np.iinfo(self.dtype).max + 1:
            raise ValueError(f"column '{self.name}': {len(self.labels)} classes do not fit into {self.dtype}")

    @property
    def maximum(self) -> int:
        """The largest class id."""
        return len(self.labels) - 1 if self.labels else int(np.iinfo(self.dtype).max)

    def wrong(self, values: np.ndarray) -> np.ndarray:
        """Return the indices of values that are neither -1 nor a class id."""
        return np.flatnonzero((values < IGNORED) | (values > self.maximum))


def unique_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the columns in order, each once.

    Raises:
        ValueError: a column is declared twice, and differently.
    """
    by_name: dict[str, Column] = {}
    for column in columns:
        if by_name.setdefault(column.name, column) != column:
            raise ValueError(f"column '{column.name}' is declared as {by_name[column.name]} and as {column}")
    return tuple(by_name.values())


def of_level(columns: Sequence[Column], level: Level) -> list[Column]:
    """Return the columns of one level, in order."""
    return [column for column in columns if column.level == level]
