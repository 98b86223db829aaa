"""Checks find any damage to samples."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import Run, assert_user_error, damaged

from ernie_paddle.data.checking import check_shards, open_checked
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import Column
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import Manifest, StoredColumn
from ernie_paddle.errors import UserError
from ernie_paddle.ranks import Ranks
from ernie_paddle.text.vocabulary import Vocabulary


@pytest.fixture
def folder(toy_shards: Path, tmp_path: Path) -> Path:
    """A copy of one task's samples that tests may damage."""
    return Path(shutil.copytree(toy_shards / "sentence_distance", tmp_path / "shards" / "sentence_distance"))


def test_any_flipped_bit_or_cut_is_an_error_that_names_the_file(folder: Path, toy_vocabulary: Vocabulary) -> None:
    random = np.random.default_rng(0)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for _ in range(10):
            with damaged(path, random), pytest.raises(UserError, match=str(path)):
                check_shards(folder, toy_vocabulary)
    check_shards(folder, toy_vocabulary)


def test_opening_a_split_finds_any_damage_to_it(folder: Path) -> None:
    random = np.random.default_rng(0)
    for path in (folder / "manifest.json", folder / "train" / "shard-00001.arrow"):
        for _ in range(20):
            with damaged(path, random), pytest.raises(UserError, match=str(path)):
                open_checked(folder, "train")
    assert len(open_checked(folder, "train")) == 96


@pytest.mark.parametrize(
    "command", [["inspect"], ["inspect", "--check"], ["baseline"], ["convert-samples", "--out", "out.gz"]]
)
def test_commands_do_not_read_damaged_shards(
    folder: Path, run: Run, toy_vocabulary: Vocabulary, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_vocabulary.save(folder.parent / "vocab.txt")
    monkeypatch.chdir(folder.parent)
    with damaged(folder / "train" / "shard-00000.arrow", np.random.default_rng(0)):
        assert_user_error(*run(command[0], folder, *command[1:]), "train/shard-00000.arrow", "build it again")
    assert not (folder.parent / "out.gz").exists()


def test_processes_share_the_files_and_miss_none(folder: Path, toy_vocabulary: Vocabulary) -> None:
    random = np.random.default_rng(0)
    for path in sorted(folder.rglob("*.arrow")):
        found = 0
        for rank in range(3):
            with damaged(path, random):
                try:
                    check_shards(folder, toy_vocabulary, Ranks(rank, 3))
                except UserError:
                    found += 1
        assert found == 1, path


def test_a_run_does_not_start_with_a_damaged_shard(
    toy_shards: Path, tmp_path: Path, write_plan: Callable[..., Path], run: Run
) -> None:
    shards = Path(shutil.copytree(toy_shards, tmp_path / "shards"))
    plan = write_plan(data={"shards": str(shards)})
    with damaged(shards / "capitalization" / "validation" / "shard-00000.arrow", np.random.default_rng(1)):
        code, error = run("pretrain", plan, "--out", tmp_path / "run")
    assert code == 2 and "capitalization/validation/shard-00000.arrow" in error and not (tmp_path / "run").exists()


def written(folder: Path, vocabulary: Vocabulary, column: str, value: int) -> Path:
    """Shards of six samples of eight tokens, in which the fourth has one value of its own.

    The writer is told of one more token and class than there are, so that it accepts what the check must find.
    """
    columns = {name: np.zeros(48, np.int32) for name in ("input_ids", "sentence_ids", "part", "own")}
    lengths, labels = np.full(6, 8), np.zeros(6, np.int16)
    if column == "length":
        lengths[3:5] = value, 16 - value
    elif column == "label":
        labels[3] = value
    else:
        columns[column][3 * 8 + 7] = value
    shards = ShardWriter(folder, "toy", vocabulary.digest, vocabulary.size + 1, 11, {}, written_columns("d"))
    shards.write("train", SampleBlock(lengths, columns, {"label": labels}))
    manifest = shards.finish()
    declared = [StoredColumn(**vars(declaration)) for declaration in written_columns("")]
    replace(manifest, columns=declared).save(folder)
    return folder


def written_columns(more: str) -> list[Column]:
    """Return a column that shares a byte, one with a field of its own, and a label."""
    return [
        Column("part", "token", tuple("ab" + more)),  # takes two bits either way
        Column("own", "token", dtype="int16"),
        Column("label", "sentence", tuple("abc" + more), "int16"),
    ]


def cannot_be_stored(column: str, value: int) -> bool:
    """Return whether the writer refuses this value."""
    return (value < 0 and column != "length") or value > 32767


@pytest.mark.parametrize(
    ("column", "least", "most"),
    [
        ("length", 5, 11),  # where another has 16 less that; the next test has the least
        ("input_ids", 0, 59),
        ("part", -1, 1),
        ("own", -1, 32767),
        ("label", -1, 2),
    ],
)
def test_values_are_checked_up_to_their_limits(
    tmp_path: Path, toy_vocabulary: Vocabulary, column: str, least: int, most: int
) -> None:
    for value in (least, most):
        check_shards(written(tmp_path / f"{value}", toy_vocabulary, column, value), toy_vocabulary)
    for value in (least - 1, most + 1):
        if cannot_be_stored(column, value):
            continue
        folder = written(tmp_path / f"{value}", toy_vocabulary, column, value)
        place = rf"row {3 if column != 'length' or value > 11 else 4} column {column}"
        with pytest.raises(UserError, match=rf"train/shard-00000\.arrow {place}: -?\d+, expected -?\d+ to \d+"):
            check_shards(folder, toy_vocabulary)


def test_a_sample_has_a_token_between_the_special_ones(tmp_path: Path, toy_vocabulary: Vocabulary) -> None:
    for length, allowed in ((2, False), (3, True)):
        shards = ShardWriter(tmp_path / f"{length}", "toy", toy_vocabulary.digest, toy_vocabulary.size, 11, {}, [])
        shards.write("train", SampleBlock(np.array([length]), {"input_ids": np.ones(length)}))
        shards.finish()
        if allowed:
            check_shards(tmp_path / f"{length}", toy_vocabulary)
        else:
            with pytest.raises(UserError, match="row 0 column length: 2, expected 3 to 11"):
                check_shards(tmp_path / f"{length}", toy_vocabulary)


def test_shards_of_another_vocabulary_or_with_other_counts_are_refused(
    tmp_path: Path, toy_vocabulary: Vocabulary
) -> None:
    folder = written(tmp_path / "shards", toy_vocabulary, "label", 0)
    swapped = Vocabulary({**toy_vocabulary.ids, "w1": toy_vocabulary.ids["w2"], "w2": toy_vocabulary.ids["w1"]})
    with pytest.raises(UserError, match="built with another vocabulary"):
        check_shards(folder, swapped)
    manifest = Manifest.load(folder)
    for changed in ({"samples": 7}, {"tokens": 47}):
        info = replace(manifest.splits["train"][0], **changed)
        replace(manifest, splits={"train": [info], "validation": []}).save(folder)
        with pytest.raises(UserError, match="6 samples with 48 tokens, its manifest says"):
            check_shards(folder, toy_vocabulary)


def test_samples_of_the_same_tokens_in_another_case_are_refused(folder: Path, toy_vocabulary: Vocabulary) -> None:
    cased = replace(toy_vocabulary, lower_case=False)
    with pytest.raises(UserError, match=r"built with a lower-cased vocabulary of the same tokens, this one is cased"):
        check_shards(folder, cased)
