"""The declared columns of samples.

A sample has token ids, sentence ids and any number of further columns. Tasks declare the column that holds their
labels, sample builders the columns that they fill. Shards carry the declarations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

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
        ValueError: the name is taken, level or dtype are unknown, or the dtype cannot hold all class ids.
    """

    name: str
    level: Level
    labels: tuple[str, ...] = ()
    dtype: Dtype = "int8"

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))  # a list in JSON
        if self.name in (INPUT_IDS, SENTENCE_IDS, SEGMENT_LENGTHS) or self.name.startswith(FLAGS):
            raise ValueError(f"column '{self.name}': the name is taken by a field that shards have anyway")
        for value, known in ((self.level, get_args(Level)), (self.dtype, get_args(Dtype))):
            if value not in known:
                raise ValueError(f"column '{self.name}': '{value}', expected one of {', '.join(known)}")
        if len(self.labels) > np.iinfo(self.dtype).max + 1:
            raise ValueError(f"column '{self.name}': {len(self.labels)} classes do not fit into {self.dtype}")

    @property
    def maximum(self) -> int:
        """The largest class id."""
        return len(self.labels) - 1 if self.labels else int(np.iinfo(self.dtype).max)

    def wrong(self, values: np.ndarray) -> np.ndarray:
        """Return the indices of values that are neither -1 nor a class id; a fraction is neither."""
        fits = (values >= IGNORED) & (values <= self.maximum)
        return np.flatnonzero(~fits if values.dtype.kind in "biu" else ~fits | (values % 1 != 0))

    def check(self, values: np.ndarray) -> None:
        """Raise a `ValueError` if a value is neither -1 nor a class id."""
        if len(wrong := self.wrong(values)):
            raise ValueError(f"column '{self.name}': {values[wrong[0]]}, expected {IGNORED} to {self.maximum}")


def unique_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the columns in order.

    Raises:
        ValueError: a column is declared twice; only one of two could fill it.
    """
    by_name: dict[str, Column] = {}
    for column in columns:
        if column.name in by_name:
            raise ValueError(f"column '{column.name}' is declared twice: {by_name[column.name]} and {column}")
        by_name[column.name] = column
    return tuple(by_name.values())


def of_level(columns: Sequence[Column], level: Level) -> list[Column]:
    """Return the columns of one level, in order."""
    return [column for column in columns if column.level == level]
