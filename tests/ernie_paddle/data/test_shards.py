"""Shards and random access to them."""

import json
from pathlib import Path

import numpy as np
import pytest

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import Manifest, SampleTable
from ernie_paddle.errors import UserError


def random_block(samples: int, seed: int = 0) -> SampleBlock:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 9, samples)
    ids = random.integers(0, 99, int(lengths.sum()))
    return SampleBlock(lengths, {"input_ids": ids, "span_codes": ids % 2}, random.integers(0, 5, samples))


def part(block: SampleBlock, start: int, end: int) -> SampleBlock:
    rows = np.arange(start, min(end, len(block)))
    return SampleTable([block]).take(rows)


def write(folder: Path, block: SampleBlock, piece: int, samples_per_shard: int = 40) -> Path:
    shards = ShardWriter(folder, "a_task", "digest", 99, 8, {"seed": 1}, (), samples_per_shard)
    for start in range(0, len(block), piece):
        shards.write("train", part(block, start, start + piece))
    shards.write("validation", part(block, 0, 3))
    shards.finish()
    return folder


def test_rows_come_back_as_written_in_any_order(tmp_path: Path) -> None:
    block = random_block(150)
    table = SampleTable.open(write(tmp_path, block, 33), "train")
    rows = np.random.default_rng(1).permutation(150)[:70]
    taken, ends = table.take(rows), np.cumsum(block.lengths)
    starts, place = ends - block.lengths, 0
    assert (taken.lengths == block.lengths[rows]).all() and (taken.labels == block.labels[rows]).all()
    for row in rows:
        length = block.lengths[row]
        for name in ("input_ids", "span_codes", "capitalization", "sentence_ids"):
            expected = block.columns[name][starts[row] : ends[row]]
            assert (taken.columns[name][place : place + length] == expected).all()
        place += length


def test_the_bytes_do_not_depend_on_how_samples_arrive(tmp_path: Path) -> None:
    block = random_block(150)
    whole, pieces = write(tmp_path / "whole", block, 150), write(tmp_path / "pieces", block, 7)
    names = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(pieces) for path in pieces.rglob("*") if path.is_file())
    assert all((whole / name).read_bytes() == (pieces / name).read_bytes() for name in names)


def test_the_manifest_counts_what_is_there(tmp_path: Path) -> None:
    block = random_block(150)
    manifest = Manifest.load(write(tmp_path, block, 50))
    assert manifest.count("train") == 150 and manifest.count("validation") == 3
    assert manifest.count("train", "tokens") == block.lengths.sum()
    assert [shard.samples for shard in manifest.splits["train"]] == [40, 40, 40, 30]
    assert manifest.carried == ["span_codes"]
    assert sum(manifest.label_counts.values()) == 153


@pytest.mark.parametrize("damage", ["truncate", "remove", "overwrite"])
def test_a_damaged_shard_is_named(tmp_path: Path, damage: str) -> None:
    shard = write(tmp_path, random_block(50), 50) / "train/shard-00001.arrow"
    content = shard.read_bytes()
    if damage == "remove":
        shard.unlink()
    else:
        shard.write_bytes(content[:-9] if damage == "truncate" else bytes(len(content)))
    with pytest.raises(UserError, match=r"shard-00001\.arrow.*build"):
        SampleTable.open(tmp_path, "train")


def test_another_process_goes_on_after_a_cut(tmp_path: Path) -> None:
    """Cut, state, restore: the same files and manifest as from a writer that did it all."""
    block = random_block(90)
    for folder in ("once", "twice"):
        shards = ShardWriter(tmp_path / folder, "a_task", "digest", 99, 8, {"seed": 1})
        shards.write("train", part(block, 0, 50))
        shards.cut()
        if folder == "twice":
            state = json.loads(json.dumps(shards.state()))
            shards.write("train", part(block, 3, 7))  # lost with the process
            assert not (tmp_path / folder / "manifest.json").exists()
            shards = ShardWriter(tmp_path / folder, "a_task", "digest", 99, 8, {"seed": 1})
            shards.restore(state)
        shards.write("train", part(block, 50, 90))
        shards.write("validation", part(block, 0, 3))
        shards.finish({"documents": 7})
    once, twice = (Manifest.load(tmp_path / folder) for folder in ("once", "twice"))
    assert once == twice and once.counts == {"documents": 7} and once.count("train") == 90
    assert len(once.splits["train"]) == 2
