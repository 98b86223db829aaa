"""The Arrow layout of shards: compact, and readable by any Arrow library.

| field | type | holds |
|---|---|---|
| `input_ids` | list of uint16, or int32 for more than 65,536 tokens | token ids |
| `segment_lengths` | list of uint16 | tokens of each segment; the sentence id of a token is its segment's number |
| `flags_0`, `flags_1`, ... | list of uint8 | token-level columns of few classes, several to a byte |
| any others | list of the column's dtype, or the dtype for sentence-level columns | one column each |

In `flags_*`, a column of n classes takes as many bits as n needs, and is stored plus 1. `columns` in the metadata of a
file lists every declared column, the field that holds it, and its first bit and bits if it shares a byte.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ernie_paddle.data.samples import Parts, SampleBlock, ranges
from ernie_paddle.data.schema import FLAGS, IGNORED, INPUT_IDS, MAX_SEGMENTS, SEGMENT_LENGTHS, SENTENCE_IDS, Column

MAX_FLAG_BITS = 4  # columns that need more have a field of their own
UINT16_SIZE = 1 << 16


@dataclass(frozen=True)
class Place:
    """The field of a declared column; `bits` is 0 for a field of its own, else the column begins at bit `shift`."""

    column: Column
    field: str
    shift: int = 0
    bits: int = 0

    def unpacked(self, values: np.ndarray) -> np.ndarray:
        """Return the column's values from those of its field."""
        if not self.bits:
            return values
        flags = (values >> np.uint8(self.shift)) & np.uint8((1 << self.bits) - 1)
        return flags.view(np.int8) + np.int8(IGNORED)


class Storage:
    """The layout of a task's shards, from its declared columns and the size of its vocabulary."""

    def __init__(self, columns: Sequence[Column], vocabulary_size: int):
        self.vocabulary_size = vocabulary_size
        self.places = _places(columns)
        self.token_places = [place for place in self.places if place.column.level == "token"]
        self.sample_places = [place for place in self.places if place.column.level == "sentence"]
        self._ids = np.dtype(np.uint16 if vocabulary_size <= UINT16_SIZE else np.int32)
        token_fields = {INPUT_IDS: self._ids, SEGMENT_LENGTHS: np.dtype(np.uint16)}
        for place in self.token_places:
            token_fields[place.field] = np.dtype(np.uint8 if place.bits else place.column.dtype)
        self.token_fields = [name for name in token_fields if name != SEGMENT_LENGTHS]
        self.schema = pa.schema(
            [_list_field(name, dtype) for name, dtype in token_fields.items()]
            + [
                pa.field(place.field, pa.from_numpy_dtype(np.dtype(place.column.dtype)), nullable=False)
                for place in self.sample_places
            ]
        )

    def metadata(self) -> str:
        """Return the declared columns and their places as JSON."""
        return json.dumps([asdict(place.column) | _position(place) for place in self.places], ensure_ascii=False)

    def to_arrow(self, block: SampleBlock) -> pa.RecordBatch:
        """Return samples as one record batch of `schema`.

        Raises:
            ValueError: a declared column is missing or holds other values than the declared ones, or sentence ids do
                not ascend.
        """
        ids = block.columns[INPUT_IDS]
        if ids.min(initial=0) < 0 or ids.max(initial=0) >= self.vocabulary_size:
            raise ValueError(f"token ids {ids.min()} to {ids.max()}, expected 0 to {self.vocabulary_size - 1}")
        values = {place.column.name: block.values(place.column) for place in self.places}
        for place in self.places:
            place.column.check(values[place.column.name])
        counts, segment_lengths = _segments(block)
        offsets = _offsets(block.lengths)
        fields = {INPUT_IDS: ids.astype(self._ids)}
        for place in self.token_places:
            column = values[place.column.name]
            if not place.bits:
                fields[place.field] = column.astype(place.column.dtype)
                continue
            flags = fields.setdefault(place.field, np.zeros(len(column), np.uint8))
            flags |= (column - IGNORED).astype(np.uint8) << np.uint8(place.shift)
        arrays = [self._list(name, offsets, values) for name, values in fields.items()]
        arrays.insert(1, self._list(SEGMENT_LENGTHS, _offsets(counts), segment_lengths))
        arrays += [pa.array(values[place.column.name].astype(place.column.dtype)) for place in self.sample_places]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def compacted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a slice of a record batch as a batch of its own, whose bytes depend on its values alone."""
        arrays = []
        for name in self.schema.names:
            array = batch.column(name)
            if isinstance(array, pa.ListArray):
                offsets = array.offsets.to_numpy()
                array = self._list(name, offsets - offsets[0], array.flatten().to_numpy())
            else:
                array = pa.array(array.to_numpy())
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _list(self, name: str, offsets: np.ndarray, values: np.ndarray) -> pa.ListArray:
        return pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), pa.array(values), type=self.schema.field(name).type
        )


class StoredBlock:
    """The samples of one record batch, which are unpacked when they are taken.

    `lengths` [samples] are in tokens. `is_consistent` tells whether the columns agree about them. No sample has more
    segments than `most_segments`.
    """

    def __init__(self, storage: Storage, batch: pa.RecordBatch):
        self._storage = storage
        self._offsets = batch.column(INPUT_IDS).offsets.to_numpy()
        self._segment_offsets = batch.column(SEGMENT_LENGTHS).offsets.to_numpy()
        self._segment_lengths = batch.column(SEGMENT_LENGTHS).flatten().to_numpy(zero_copy_only=True)
        self._tokens = {
            name: batch.column(name).flatten().to_numpy(zero_copy_only=True) for name in storage.token_fields
        }
        self._samples = {place.column.name: batch.column(place.field).to_numpy() for place in storage.sample_places}
        self.lengths = np.diff(self._offsets).astype(np.int64)
        self.most_segments = int(np.diff(self._segment_offsets).max(initial=0))
        self.is_consistent = self._is_consistent(batch)

    def __len__(self) -> int:
        return len(self.lengths)

    def parts(self, rows: np.ndarray) -> Parts:
        """Return the samples at these rows, in this order, as they are stored."""
        lengths = self.lengths[rows]
        source = ranges(self._offsets[rows], lengths)
        samples = {name: values[rows] for name, values in self._samples.items()}
        samples[SEGMENT_LENGTHS] = self._padded_segment_lengths(rows)
        return lengths, {name: values[source] for name, values in self._tokens.items()}, samples

    def unpacked(self, parts: Parts) -> SampleBlock:
        """Return the samples of some parts, of this block or joined with others of its task."""
        lengths, fields, samples = parts
        segment_lengths = samples.pop(SEGMENT_LENGTHS)
        segments = np.tile(np.arange(MAX_SEGMENTS, dtype=np.int8), len(lengths))
        columns = {INPUT_IDS: fields[INPUT_IDS], SENTENCE_IDS: np.repeat(segments, segment_lengths.ravel())}
        columns |= {place.column.name: place.unpacked(fields[place.field]) for place in self._storage.token_places}
        return SampleBlock(lengths, columns, samples)

    def take(self, rows: np.ndarray) -> SampleBlock:
        """Return the samples at these rows, in this order."""
        return self.unpacked(self.parts(rows))

    def _padded_segment_lengths(self, rows: np.ndarray) -> np.ndarray:
        """Return the tokens of each segment, 0 for those that a sample does not have [samples, MAX_SEGMENTS]."""
        indices = self._segment_offsets[rows][:, None] + np.arange(MAX_SEGMENTS)
        exists = indices < self._segment_offsets[rows + 1][:, None]
        return self._segment_lengths[np.where(exists, indices, 0)] * exists

    def _is_consistent(self, batch: pa.RecordBatch) -> bool:
        """Return whether all fields have the offsets of `input_ids`, and few segments the lengths of samples.

        Offsets begin at 0, and no value is null.
        """
        if self._offsets[0] or self._segment_offsets[0] or any(column.null_count for column in batch.columns):
            return False
        ends = np.concatenate([[0], np.cumsum(self._segment_lengths, dtype=np.int64)])[self._segment_offsets]
        offsets = [batch.column(name).offsets.to_numpy() for name in self._storage.token_fields]
        return (
            all(np.array_equal(field_offsets, self._offsets) for field_offsets in offsets)
            and np.array_equal(np.diff(ends), self.lengths)
            and self.most_segments <= MAX_SEGMENTS
        )


def _places(columns: Sequence[Column]) -> list[Place]:
    places, byte, used = [], 0, 0
    for column in columns:
        bits = len(column.labels).bit_length()  # of class ids and -1
        if column.level == "sentence" or not 0 < bits <= MAX_FLAG_BITS:
            places.append(Place(column, column.name))
            continue
        if used + bits > 8:
            byte, used = byte + 1, 0
        places.append(Place(column, f"{FLAGS}{byte}", used, bits))
        used += bits
    return places


def _position(place: Place) -> dict[str, Any]:
    return {"field": place.field} | ({"shift": place.shift, "bits": place.bits} if place.bits else {})


def _list_field(name: str, dtype: np.dtype[Any]) -> pa.Field:
    return pa.field(name, pa.list_(pa.field("item", pa.from_numpy_dtype(dtype), nullable=False)), nullable=False)


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def _segments(block: SampleBlock) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of segments of each sample, and the tokens of each segment."""
    ids = block.columns[SENTENCE_IDS].astype(np.int64)
    starts, ends = np.cumsum(block.lengths) - block.lengths, np.cumsum(block.lengths)
    steps = np.diff(ids, prepend=0)
    steps[starts] = 0
    if (steps < 0).any() or (ids < 0).any():
        raise ValueError("sentence ids fall inside a sample; they must ascend from 0 or more")
    counts = ids[ends - 1] + 1
    if counts.max(initial=0) > MAX_SEGMENTS:
        raise ValueError(f"a sample has {counts.max()} segments; {MAX_SEGMENTS} are possible")
    if block.lengths.max(initial=0) >= UINT16_SIZE:
        raise ValueError(f"a sample has {block.lengths.max()} tokens; {UINT16_SIZE - 1} are possible")
    first = np.cumsum(counts) - counts
    segment = np.repeat(first, block.lengths) + ids
    return counts, np.bincount(segment, minlength=int(counts.sum())).astype(np.uint16)
