"""Shards and random access to them."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ernie_paddle.checksums import write_sealed
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import Column
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import Manifest, SampleTable, read_shard, task_folders
from ernie_paddle.data.spans import BI_TAGS
from ernie_paddle.errors import UserError

COLUMNS = (BI_TAGS, Column("empty", "token"), Column("label", "sentence"))


def random_block(samples: int, seed: int = 0) -> SampleBlock:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 9, samples)
    ids = random.integers(0, 99, int(lengths.sum()))
    columns = {"input_ids": ids, "bi_tags": ids % 2, "empty": np.full(len(ids), -1)}
    return SampleBlock(lengths, columns, {"label": random.integers(0, 12, samples)})


def part(block: SampleBlock, start: int, end: int) -> SampleBlock:
    rows = np.arange(start, min(end, len(block)))
    return SampleTable([block]).take(rows)


def write(folder: Path, block: SampleBlock, piece: int, samples_per_shard: int = 40) -> Path:
    shards = ShardWriter(folder, "a_task", "digest", 99, 8, {"seed": 1}, COLUMNS, samples_per_shard)
    for start in range(0, len(block), piece):
        shards.write("train", "corpus", part(block, start, start + piece))
    shards.write("validation", "corpus", part(block, 0, 3))
    shards.finish()
    return folder


def test_rows_come_back_as_written_in_any_order(tmp_path: Path) -> None:
    block = random_block(150)
    table = SampleTable.open(write(tmp_path, block, 33), "train")
    rows = np.random.default_rng(1).permutation(150)[:70]
    taken, ends = table.take(rows), np.cumsum(block.lengths)
    starts, place = ends - block.lengths, 0
    assert (taken.lengths == block.lengths[rows]).all() and (
        taken.sample_columns["label"] == block.sample_columns["label"][rows]
    ).all()
    for row in rows:
        length = block.lengths[row]
        for name in ("input_ids", "bi_tags", "empty", "sentence_ids"):
            expected = block.columns[name][starts[row] : ends[row]]
            assert (taken.columns[name][place : place + length] == expected).all()
        place += length


def test_the_bytes_do_not_depend_on_how_samples_arrive(tmp_path: Path) -> None:
    block = random_block(150)
    whole, pieces = write(tmp_path / "whole", block, 150), write(tmp_path / "pieces", block, 7)
    names = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(pieces) for path in pieces.rglob("*") if path.is_file())
    assert all((whole / name).read_bytes() == (pieces / name).read_bytes() for name in names)


def test_the_manifest_counts_samples_tokens_and_labels(tmp_path: Path) -> None:
    block = random_block(150)
    manifest = Manifest.load(write(tmp_path, block, 50))
    assert manifest.count("train") == 150 and manifest.count("validation") == 3
    assert manifest.count("train", "tokens") == block.lengths.sum()
    assert [shard.samples for shard in manifest.splits["train"]] == [40, 40, 40, 30]
    assert manifest.label_columns == {"bi_tags", "label"}
    assert [column.declaration for column in manifest.columns] == list(COLUMNS)
    assert manifest.column("empty").counts == {"-1": block.lengths.sum() + block.lengths[:3].sum()}
    assert manifest.column("missing") is None
    labels = Counter([*block.sample_columns["label"].tolist(), *block.sample_columns["label"][:3].tolist()])
    assert list(manifest.column("label").counts.items()) == [(str(label), labels[label]) for label in sorted(labels)]
    assert max(labels) >= 10, "labels are in the order of their numbers"
    for shard in manifest.splits["train"]:
        assert (tmp_path / shard.file).stat().st_size == shard.bytes
        assert hashlib.sha256((tmp_path / shard.file).read_bytes()).hexdigest() == shard.sha256
    found = Manifest.load(tmp_path)
    assert (found.task, found.vocabulary_digest, found.vocabulary_size, found.max_length) == ("a_task", "digest", 99, 8)
    assert found.origin == {"seed": 1} and found == manifest


def test_manifests_of_another_format_and_changed_ones_are_refused(tmp_path: Path) -> None:
    write(tmp_path, random_block(10), 5)
    path = tmp_path / "manifest.json"
    tree = json.loads(path.read_text())
    for change, message in (
        ({"format_version": 1}, "format version 1, this program reads 4"),
        ({"task": "b"}, "changed"),
    ):
        path.write_text(json.dumps(tree | change))
        with pytest.raises(UserError, match=f"{message}.*build the shards again"):
            Manifest.load(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match="manifest"):
        Manifest.load(tmp_path)


def test_tasks_are_found_in_a_folder_of_one_or_of_several(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path / name, random_block(10), 5)
    assert task_folders(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert task_folders(tmp_path / "b") == [tmp_path / "b"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no manifest\.json"):
        task_folders(tmp_path / "empty")


def test_rows_of_several_blocks_are_numbered_through(tmp_path: Path) -> None:
    blocks = [random_block(count, seed) for seed, count in enumerate((3, 1, 5))]
    table = SampleTable(blocks)
    whole = [part(block, row, row + 1).digest() for block in blocks for row in range(len(block))]
    assert len(table) == 9 and table.lengths.tolist() == [n for block in blocks for n in block.lengths.tolist()]
    assert [table.take(np.array([row])).digest() for row in range(9)] == whole
    assert len(SampleTable([])) == 0


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


def test_another_process_resumes_after_a_cut(tmp_path: Path) -> None:
    """Cut, state and restore give the same files and manifest as a single writer."""
    block = random_block(90)
    for folder in ("once", "twice"):
        shards = ShardWriter(tmp_path / folder, "a_task", "digest", 99, 8, {"seed": 1}, COLUMNS)
        shards.write("train", "corpus", part(block, 0, 50))
        shards.cut()
        if folder == "twice":
            state = json.loads(json.dumps(shards.state()))
            shards.write("train", "corpus", part(block, 3, 7))  # lost with the process
            assert not (tmp_path / folder / "manifest.json").exists()
            shards = ShardWriter(tmp_path / folder, "a_task", "digest", 99, 8, {"seed": 1}, COLUMNS)
            shards.restore(state)
        shards.write("train", "corpus", part(block, 50, 90))
        shards.write("validation", "corpus", part(block, 0, 3))
        shards.finish({"documents": 7})
    once, twice = (Manifest.load(tmp_path / folder) for folder in ("once", "twice"))
    assert once == twice and once.counts == {"documents": 7} and once.count("train") == 90
    assert len(once.splits["train"]) == 2


def test_offsets_that_point_anywhere_are_a_mistake_of_the_file(tmp_path: Path) -> None:
    """Read before checksums, they are found by themselves; Arrow would end the process, or read other memory."""
    folder = write(tmp_path, random_block(30), 30)
    path, manifest = folder / "train/shard-00000.arrow", Manifest.load(folder)
    content, batch = path.read_bytes(), pa.ipc.open_file(path).get_batch(0)
    for name in ("input_ids", "segment_lengths", "flags_0", "empty"):
        offsets = batch.column(name).offsets.to_numpy()
        before = offsets.tobytes()
        places = [i for i in range(len(content)) if content.startswith(before, i)]
        assert places, name
        for index, wrong in ((0, -1), (0, 1), (7, 1 << 30), (8, -5), (30, 1 << 24), (30, 0), (30, offsets[30] - 1)):
            changed = offsets.copy()
            changed[index] = wrong
            for place in places:
                path.write_bytes(content[:place] + changed.tobytes() + content[place + len(before) :])
                with pytest.raises(UserError, match=f"{path}: .*build it again"):
                    read_shard(folder, manifest.splits["train"][0], manifest.storage)
    path.write_bytes(content)
    assert len(read_shard(folder, manifest.splits["train"][0], manifest.storage)[0]) == 30


def writer(folder: Path, samples_per_shard: int = 40) -> ShardWriter:
    return ShardWriter(folder, "a_task", "digest", 99, 8, {"seed": 1}, COLUMNS, samples_per_shard)


def test_the_manifest_tells_the_corpus_of_every_sample(tmp_path: Path) -> None:
    """Corpora come one after the other, with cuts, empty blocks and files that hold samples of two of them."""
    block, shards, written = random_block(150), writer(tmp_path), {"train": [], "validation": []}
    generator = np.random.default_rng(5)
    for corpus in ("b", "a", "none", "c"):
        for _ in range(6):
            for split, rows in written.items():
                count = 0 if corpus == "none" else int(generator.integers(0, 9))
                start = len(rows)
                shards.write(split, corpus, part(block, start, start + count))
                rows.extend([corpus] * count)
        if corpus == "a":
            shards.cut()
    shards.finish()
    manifest = Manifest.load(tmp_path)
    for split, rows in written.items():
        lengths = SampleTable.open(tmp_path, split).lengths
        assert [corpus.name for corpus in manifest.corpora[split]] == ["b", "a", "none", "c"]
        assert manifest.samples_by_corpus(split) == {name: rows.count(name) for name in ("b", "a", "none", "c")}
        for corpus in manifest.corpora[split]:
            assert corpus.tokens == sum(n for name, n in zip(rows, lengths, strict=True) if name == corpus.name)
    first_file = written["train"][: manifest.splits["train"][0].samples]
    assert len({*first_file}) > 1, "a file has samples of several corpora"


def test_a_corpus_is_written_as_a_whole(tmp_path: Path) -> None:
    shards, block = writer(tmp_path), random_block(4)
    for corpus in ("a", "a", "b"):
        shards.write("train", corpus, block)
    shards.write("validation", "a", block)
    with pytest.raises(ValueError, match="more samples of a after those of b"):
        shards.write("train", "a", block)


def test_another_process_resumes_in_the_middle_of_a_corpus(tmp_path: Path) -> None:
    block = random_block(90)
    for folder in ("once", "twice"):
        shards = writer(tmp_path / folder)
        for corpus in ("a", "b"):
            shards.write("train", corpus, part(block, 0, 30))
        shards.cut()
        if folder == "twice":
            state = json.loads(json.dumps(shards.state()))
            shards.write("train", "c", block)  # lost with the process
            shards = writer(tmp_path / folder)
            shards.restore(state)
        shards.write("train", "b", part(block, 30, 40))
        shards.write("train", "c", part(block, 40, 60))
        shards.finish()
    once, twice = (Manifest.load(tmp_path / folder) for folder in ("once", "twice"))
    assert once == twice and once.samples_by_corpus("train") == {"a": 30, "b": 40, "c": 20}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda corpora: corpora[0].update(samples=9), "the corpora of train have 9 samples, its files 10"),
        (lambda corpora: corpora[0].update(tokens=0), "the corpora of train have 0 tokens, its files"),
        (lambda corpora: corpora.append(corpora[0] | {"samples": 0, "tokens": 0}), "a corpus of train is named twice"),
        (lambda corpora: corpora.clear(), "the corpora of train have 0 samples"),
        (lambda corpora: corpora[0].pop("name"), "name"),
    ],
)
def test_a_manifest_whose_corpora_do_not_add_up_is_refused(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], Any], message: str
) -> None:
    write(tmp_path, random_block(10), 5)
    tree = json.loads((tmp_path / "manifest.json").read_text())
    del tree["sha256"]
    change(tree["corpora"]["train"])
    write_sealed(tmp_path / "manifest.json", tree)
    with pytest.raises(
        UserError, match=f"manifest.json: not a manifest of shards: .*{message}.*build the shards again"
    ):
        Manifest.load(tmp_path)
