"""Sharded weights: the files must hold exactly the tensors that the index lists for them."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from weights_support import assert_equal, finetuned_model, random_model, read_model, write_model

from ernie_paddle.errors import UserError
from ernie_paddle.weights.conversion import recognise

INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"
SHARDS = 3


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A model in three files, with the names of `save_pretrained(max_shard_size=...)`."""
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


def test_a_single_file_is_preferred_to_an_index(sharded: Path) -> None:
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
    write_index(sharded, weight_map={**listed, name: sorted(listed.values())[-1]})  # in another file than listed
    with pytest.raises(UserError, match=rf"{file}: also holds {name} \(1 tensors\); {INDEX} says otherwise"):
        read_model(sharded)


def test_a_tensor_in_two_shards_is_an_error(sharded: Path) -> None:
    listed = listed_in(sharded)
    name, other = sorted(listed)[0], sorted(listed.values())[-1]
    save_file({**load_file(sharded / other), name: np.zeros(1, np.float32)}, sharded / other)
    with pytest.raises(UserError, match=f"{other}: also holds {name}"):
        read_model(sharded)


def test_a_missing_or_truncated_shard_is_named(sharded: Path) -> None:
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


# ---- PaddleNLP's two formats ----


def of_paddlenlp(folder: Path) -> dict[str, np.ndarray]:
    """Write a model in PaddleNLP's layout; remove its weights and return them."""
    write_model("paddlenlp", folder, finetuned_model("sequence_labelling"))
    path = folder / "model_state.pdparams"
    tensors = pickle.loads(path.read_bytes())
    path.unlink()
    return {name: np.ascontiguousarray(values) for name, values in tensors.items()}


def test_shards_of_paddlenlp_are_read(tmp_path: Path) -> None:
    tensors, listed = of_paddlenlp(tmp_path / "out"), {}
    for number in range(SHARDS):
        part = {name: tensors[name] for name in sorted(tensors)[number::SHARDS]}
        file = f"model_state-{number + 1:05}-of-{SHARDS:05}.pdparams"
        (tmp_path / "out" / file).write_bytes(pickle.dumps(part, protocol=4))
        listed |= dict.fromkeys(part, file)
    index = tmp_path / "out" / "model_state.pdparams.index.json"
    index.write_text(json.dumps({"weight_map": listed}))
    assert_equal(read_model(tmp_path / "out")[0], finetuned_model("sequence_labelling"))
    index.write_text(json.dumps({"weight_map": {**listed, "a": "a.safetensors"}}))
    with pytest.raises(UserError, match=r"a is in 'a\.safetensors', expected a \.pdparams file"):
        read_model(tmp_path / "out")


@pytest.mark.parametrize("sharded", [False, True])
def test_safetensors_of_paddlenlp_are_told_by_their_names(tmp_path: Path, sharded: bool) -> None:
    """Its matrices are [in, out], and its epsilon is 1e-12 whatever the configuration."""
    tensors, folder = of_paddlenlp(tmp_path / "out"), tmp_path / "out"
    save_file(tensors, folder / ("a.safetensors" if sharded else WHOLE), metadata={"format": "np"})
    if sharded:
        write_index(folder, weight_map=dict.fromkeys(tensors, "a.safetensors"))
    tree = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(tree | {"layer_norm_eps": 1e-5}))
    assert recognise(folder).name == "paddlenlp"
    found, report = read_model(folder)
    assert_equal(found, finetuned_model("sequence_labelling"))
    assert [note for note in report.notes if "epsilon is 1e-12" in note]


def test_bfloat16_of_paddlenlp_is_known_by_its_type(tmp_path: Path) -> None:
    tensors = of_paddlenlp(tmp_path / "out")
    halves = {name: (values.view(np.uint32) >> 16).astype(np.uint16) for name, values in tensors.items()}
    save_file(halves, tmp_path / "out" / WHOLE, metadata={"format": "np"})
    found, _ = read_model(tmp_path / "out")
    for name, values in finetuned_model("sequence_labelling").parameters.items():
        cut = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
        np.testing.assert_array_equal(found.parameters[name], cut)
