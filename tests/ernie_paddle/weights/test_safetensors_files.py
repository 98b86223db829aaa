"""Sharded safetensors: the index says which file holds which tensor, and the files hold exactly that."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from weights_support import assert_equal, random_model, read_model, write_model

from ernie_paddle.errors import UserError

INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"
SHARDS = 3


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A model in three files, as `save_pretrained(max_shard_size=...)` names them."""
    folder = tmp_path / "sharded"
    write_model("huggingface", folder, random_model())
    tensors = load_file(folder / WHOLE)
    (folder / WHOLE).unlink()
    listed = {}
    for number in range(SHARDS):
        part = {name: tensors[name] for name in sorted(tensors)[number::SHARDS]}
        file = f"model-{number + 1:05}-of-{SHARDS:05}.safetensors"
        save_file(part, folder / file, metadata={"format": "pt"})
        listed |= dict.fromkeys(part, file)
    write_index(folder, weight_map=listed)
    return folder


def write_index(folder: Path, **keys: Any) -> None:
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, **keys}))


def listed_in(folder: Path) -> dict[str, str]:
    return json.loads((folder / INDEX).read_text())["weight_map"]


def test_shards_are_read_as_one_model(sharded: Path) -> None:
    found, report = read_model(sharded)
    report.check()
    assert_equal(found, random_model())
    assert report.where.endswith(INDEX)


def test_a_file_of_all_tensors_goes_before_an_index(sharded: Path) -> None:
    write_index(sharded, weight_map={"a": "not_there.safetensors"})
    with pytest.raises(UserError, match="1 of 1 shards are missing"):
        read_model(sharded)
    other = random_model()
    other.parameters["pooled_fc.b_0"] += 1
    write_model("huggingface", sharded.parent / "whole", other)
    (sharded.parent / "whole" / WHOLE).rename(sharded / WHOLE)
    assert_equal(read_model(sharded)[0], other)


def test_a_shard_that_lacks_a_tensor_or_has_another_is_named(sharded: Path) -> None:
    listed = listed_in(sharded)
    name, file = sorted(listed.items())[0]
    write_index(sharded, weight_map={other: shard for other, shard in listed.items() if other != name})
    with pytest.raises(UserError, match=rf"{file}: also holds {name} \(1 tensors\)"):
        read_model(sharded)
    write_index(sharded, weight_map={**listed, "one.more": file})
    with pytest.raises(UserError, match=rf"{file}: lacks one\.more \(1 tensors\)"):
        read_model(sharded)
    write_index(sharded, weight_map={**listed, name: sorted(listed.values())[-1]})  # in another file than is said
    with pytest.raises(UserError, match=rf"{file}: also holds {name} \(1 tensors\); {INDEX} says otherwise"):
        read_model(sharded)


def test_a_tensor_in_two_shards_is_an_error(sharded: Path) -> None:
    listed = listed_in(sharded)
    name, other = sorted(listed)[0], sorted(listed.values())[-1]
    save_file({**load_file(sharded / other), name: np.zeros(1, np.float32)}, sharded / other)
    with pytest.raises(UserError, match=f"{other}: also holds {name}"):
        read_model(sharded)


def test_a_shard_that_is_missing_or_cut_short_is_named(sharded: Path) -> None:
    path = sharded / sorted(listed_in(sharded).values())[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=f"{path.name}: cannot be read"):
        read_model(sharded)
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name} is not there.*1 of 3"):
        read_model(sharded)


@pytest.mark.parametrize(
    "file", ["../secret.safetensors", "/tmp/a.safetensors", "sub/a.safetensors", "..\\a.safetensors", "a.bin", "", 7]
)
def test_an_index_that_points_elsewhere_is_refused(sharded: Path, file: Any) -> None:
    listed = listed_in(sharded)
    save_file({"a": np.zeros(1, np.float32)}, sharded.parent / "secret.safetensors")
    write_index(sharded, weight_map={**listed, "a": file})
    with pytest.raises(UserError, match=r"index\.json: a is in .* same folder"):
        read_model(sharded)


@pytest.mark.parametrize("keys", [{}, {"weight_map": {}}, {"weight_map": ["a"]}])
def test_an_index_without_a_map_is_refused(sharded: Path, keys: dict[str, Any]) -> None:
    write_index(sharded, **keys)
    with pytest.raises(UserError, match="no weight_map"):
        read_model(sharded)
