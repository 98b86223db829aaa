"""The Arrow layout of shards."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import Column
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import Manifest, SampleTable
from ernie_paddle.data.storage import Storage, StoredBlock

COLUMNS = (
    Column("two", "token", ("a", "b")),
    Column("many", "token", tuple(f"class {i}" for i in range(40))),
    Column("seven", "token", tuple("abcdefg")),
    Column("three", "token", tuple("abc")),
    Column("fifteen", "token", tuple(f"class {i}" for i in range(15))),
    Column("unnamed", "token", dtype="int32"),
    Column("label", "sentence", tuple(f"class {i}" for i in range(300)), "int16"),
    Column("other", "sentence"),
)


def random_block(samples: int, vocabulary_size: int, seed: int = 0) -> SampleBlock:
    """Return samples of up to four segments, one of which may be empty, with every value of each column."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 30, samples)
    tokens = int(lengths.sum())
    sentence_ids = np.concatenate([np.sort(random.integers(0, 4, length)) for length in lengths])
    columns = {"input_ids": random.integers(0, vocabulary_size, tokens), "sentence_ids": sentence_ids}
    sample_columns = {}
    for column in COLUMNS:
        size = tokens if column.level == "token" else samples
        values = random.integers(-1, min(column.maximum, 100_000) + 1, size)
        values[:2] = -1, column.maximum
        (columns if column.level == "token" else sample_columns)[column.name] = values
    return SampleBlock(lengths, columns, sample_columns)


@pytest.mark.parametrize("vocabulary_size", [65_536, 65_537])
def test_every_value_comes_back(vocabulary_size: int) -> None:
    storage = Storage(COLUMNS, vocabulary_size)
    block = random_block(200, vocabulary_size)
    block.columns["input_ids"][:2] = 0, vocabulary_size - 1
    stored = StoredBlock(storage, storage.to_arrow(block))
    assert stored.is_consistent and len(stored) == 200
    assert stored.take(np.arange(200)).digest() == block.digest()
    rows = np.random.default_rng(1).integers(0, 200, 70)
    assert stored.take(rows).digest() == block.take(rows).digest()


def test_small_columns_share_bytes_and_ids_take_two() -> None:
    """Two, seven and three classes take 2 + 3 + 2 bits, fifteen take 4 and begin another byte."""
    schema = Storage(COLUMNS, 1000).schema
    dtypes = {field.name: field.type.value_type if pa.types.is_list(field.type) else field.type for field in schema}
    assert dtypes == {
        "input_ids": pa.uint16(),
        "segment_lengths": pa.uint16(),
        "flags_0": pa.uint8(),
        "many": pa.int8(),
        "flags_1": pa.uint8(),
        "unnamed": pa.int32(),
        "label": pa.int16(),
        "other": pa.int8(),
    }


def test_a_reader_without_this_project_finds_every_column(tmp_path: Path) -> None:
    """pyarrow and the declarations in the file's metadata are enough."""
    block = random_block(50, 1000)
    shards = ShardWriter(tmp_path, "toy", "digest", 1000, 30, {}, COLUMNS)
    shards.write("train", "corpus", block)
    shards.finish()
    table = pa.ipc.open_file(str(tmp_path / "train/shard-00000.arrow")).read_all()
    assert np.concatenate(table["input_ids"].to_pylist()).tolist() == block.columns["input_ids"].tolist()
    declared = json.loads(table.schema.metadata[b"columns"])
    assert [column["name"] for column in declared] == [column.name for column in COLUMNS]
    for column in declared:
        values = table[column["field"]].combine_chunks()
        found = (values.flatten() if column["level"] == "token" else values).to_numpy().astype(np.int64)
        if "bits" in column:
            found = (found >> column["shift"]) % (1 << column["bits"]) - 1
        expected = block.columns if column["level"] == "token" else block.sample_columns
        assert (found == expected[column["name"]]).all()
    segments = [
        [number for number, length in enumerate(lengths) for _ in range(length)]
        for lengths in table["segment_lengths"].to_pylist()
    ]
    assert np.concatenate(segments).tolist() == block.columns["sentence_ids"].tolist()


def test_samples_that_are_not_as_declared_are_not_stored() -> None:
    storage = Storage(COLUMNS, 1000)
    for name, value, message in (
        ("input_ids", 1000, "token ids 0 to 1000, expected 0 to 999"),
        ("input_ids", -1, "token ids -1 to"),
        ("sentence_ids", 4, "5 segments; 4 are possible"),
        ("two", 2, "column 'two': 2, expected -1 to 1"),
        ("two", -2, "column 'two': -2"),
        ("unnamed", None, "lack the declared column 'unnamed'"),
        ("label", 300, "column 'label': 300, expected -1 to 299"),
        ("other", None, "lack the declared column 'other'"),
    ):
        block = random_block(20, 1000)
        block.columns["input_ids"][0] = 0
        columns = block.columns if name in block.columns else block.sample_columns
        if value is None:
            del columns[name]
        else:
            columns[name][-1] = value
        with pytest.raises(ValueError, match=message):
            storage.to_arrow(block)


def test_sentence_ids_must_ascend_inside_a_sample() -> None:
    storage = Storage((), 1000)
    for sentence_ids, stored in (
        ([0, 1, 0, 0], True),  # two samples of two tokens
        ([1, 3, 0, 2], True),
        ([1, 0, 0, 0], False),
        ([-1, 0, 0, 0], False),
    ):
        block = SampleBlock(
            np.array([2, 2]), {"input_ids": np.arange(4), "sentence_ids": np.array(sentence_ids, np.int8)}
        )
        if stored:
            back = StoredBlock(storage, storage.to_arrow(block)).take(np.arange(2))
            assert back.columns["sentence_ids"].tolist() == sentence_ids
        else:
            with pytest.raises(ValueError, match="sentence ids fall"):
                storage.to_arrow(block)


def test_fields_of_different_lengths_are_noticed() -> None:
    storage = Storage((Column("two", "token", ("a", "b")),), 1000)
    good = storage.to_arrow(random_block(20, 1000))
    other = storage.to_arrow(random_block(20, 1000, seed=1))
    for name in ("input_ids", "segment_lengths", "flags_0"):
        arrays = [(other if field == name else good).column(field) for field in good.schema.names]
        assert not StoredBlock(storage, pa.RecordBatch.from_arrays(arrays, schema=good.schema)).is_consistent


def test_a_table_over_many_shards_takes_the_rows_of_one(tmp_path: Path) -> None:
    block = random_block(300, 1000)
    for folder, samples_per_shard in (("one", 300), ("many", 17)):
        shards = ShardWriter(tmp_path / folder, "toy", "digest", 1000, 30, {}, COLUMNS, samples_per_shard)
        for start in range(0, 300, 70):
            shards.write("train", "corpus", block.take(np.arange(start, min(300, start + 70))))
        shards.finish()
    rows = np.random.default_rng(0).integers(0, 300, 120)
    for folder in ("one", "many"):
        table = SampleTable.open(tmp_path / folder, "train")
        assert table.take(rows).digest() == block.take(rows).digest()
        assert table.take(rows[:1]).digest() == block.take(rows[:1]).digest()
        assert len(table.take(rows[:0])) == 0
    assert len(Manifest.load(tmp_path / "many").splits["train"]) == 18


def test_a_segment_too_long_for_its_field_is_not_stored() -> None:
    for tokens in (65_535, 65_536):
        block, storage = SampleBlock(np.array([tokens]), {"input_ids": np.zeros(tokens)}), Storage((), 10)
        if tokens == 65_535:
            assert StoredBlock(storage, storage.to_arrow(block)).is_consistent
        else:
            with pytest.raises(ValueError, match="65536 tokens; 65535 are possible"):
                storage.to_arrow(block)
