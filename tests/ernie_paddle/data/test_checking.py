"""No damage to samples goes unseen."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import Run, assert_user_error, damaged

from ernie_paddle.data.checking import check_shards, open_checked
from ernie_paddle.errors import UserError
from ernie_paddle.ranks import Ranks
from ernie_paddle.text.vocabulary import Vocabulary


@pytest.fixture
def folder(toy_shards: Path, tmp_path: Path) -> Path:
    """A copy of one task's samples, to be damaged."""
    return Path(shutil.copytree(toy_shards / "sentence_distance", tmp_path / "shards" / "sentence_distance"))


def test_any_flipped_bit_or_cut_is_an_error_that_names_the_file(folder: Path, toy_vocabulary: Vocabulary) -> None:
    random = np.random.default_rng(0)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for _ in range(10):
            with damaged(path, random), pytest.raises(UserError, match=str(path)):
                check_shards(folder, toy_vocabulary)
    check_shards(folder, toy_vocabulary)


def test_readers_of_a_split_see_any_damage_to_it(folder: Path) -> None:
    random = np.random.default_rng(0)
    for path in (folder / "manifest.json", folder / "train" / "shard-00001.arrow"):
        for _ in range(20):
            with damaged(path, random), pytest.raises(UserError, match=str(path)):
                open_checked(folder, "train")
    assert len(open_checked(folder, "train")) == 96


@pytest.mark.parametrize("command", [["inspect"], ["baseline"], ["convert-samples", "--out", "out.gz"]])
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
