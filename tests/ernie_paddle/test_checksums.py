"""Checksums find changed files."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers import damaged

from ernie_paddle.checksums import SUMS_FILE, check_file, check_files, read_sealed, write_checksums, write_sealed
from ernie_paddle.errors import UserError
from ernie_paddle.files import sha256_of

FILES = ("model.safetensors", "config.json", "a name with blanks.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in FILES:
        (tmp_path / name).write_bytes(random.bytes(300))
    write_checksums(tmp_path)
    return tmp_path


def test_any_damage_to_a_file_or_to_the_list_itself_is_an_error(folder: Path) -> None:
    random = np.random.default_rng(0)
    check_files(folder, FILES)
    for path in sorted(folder.iterdir()):
        for _ in range(20):
            with damaged(path, random), pytest.raises(UserError, match=str(folder)):
                check_files(folder, FILES)
    check_files(folder, FILES)


def test_all_files_but_hidden_ones_are_listed_by_name(folder: Path) -> None:
    names = [f"{letter}.txt" for letter in "zxyabmkc"]
    for name in (*names, ".hidden", ".b.txt.partial"):
        (folder / name).write_text(name)
    (folder / "inner").mkdir()
    write_checksums(folder)
    lines = [line.split("  ", 1) for line in (folder / SUMS_FILE).read_text().splitlines()]
    assert [name for _, name in lines] == sorted([*FILES, *names])
    assert all(digest == hashlib.sha256((folder / name).read_bytes()).hexdigest() for digest, name in lines)


def test_a_record_is_the_same_in_any_order_of_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_sealed(path, {"b": {"d": 1, "c": 2}, "a": 3})
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert read_sealed(path, "record") == {"a": 3, "b": {"c": 2, "d": 1}}


def test_any_damage_to_a_record_is_an_error_and_its_values_come_back(tmp_path: Path) -> None:
    random, path = np.random.default_rng(0), tmp_path / "record.json"
    record = {"名": ["a", 1.5, None, {"nested": True}], "counts": {"b": 2, "a": 1}}
    write_sealed(path, {**record, "undefined": float("nan")})
    assert read_sealed(path, "record") == {**record, "undefined": None}
    for _ in range(60):
        before = path.read_text()
        with damaged(path, random):
            try:
                changed = path.read_text() != before and json.loads(path.read_text()) != json.loads(before)
            except ValueError:
                changed = True
            if changed:  # a blank may become another
                with pytest.raises(UserError, match="record"):
                    read_sealed(path, "record")
    path.write_text('{"without": "a checksum"}')
    with pytest.raises(UserError, match=r"record\.json: damaged or changed"):
        read_sealed(path, "record")


def test_a_file_is_checked_against_its_checksum(folder: Path) -> None:
    path, random = folder / "config.json", np.random.default_rng(0)
    check_file(path, sha256 := sha256_of(path))
    with damaged(path, random), pytest.raises(UserError, match=r"config\.json: damaged or changed"):
        check_file(path, sha256)
    path.unlink()
    with pytest.raises(UserError, match=r"config\.json: missing"):
        check_file(path, sha256)


def test_a_missing_or_unlisted_file_is_named(folder: Path) -> None:
    (folder / "new.txt").write_text("new")
    check_files(folder, FILES)
    with pytest.raises(UserError, match=r"does not list new\.txt"):
        check_files(folder, ["new.txt"])
    (folder / "config.json").unlink()
    for required in (FILES, ["model.safetensors"]):
        with pytest.raises(UserError, match=r"config\.json: missing"):
            check_files(folder, required)
    check_files(folder, ["model.safetensors"], unread=["config.json"])


def test_an_optional_file_may_be_missing_but_not_damaged(folder: Path) -> None:
    with damaged(folder / "config.json", np.random.default_rng(0)), pytest.raises(UserError, match=r"config\.json"):
        check_files(folder, ["model.safetensors"], optional=["config.json"])
    (folder / "config.json").unlink()
    check_files(folder, ["model.safetensors"], optional=["config.json"])


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum of the GNU coreutils")
def test_sha256sum_reads_the_list(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", SUMS_FILE], cwd=folder, check=True, capture_output=True)
