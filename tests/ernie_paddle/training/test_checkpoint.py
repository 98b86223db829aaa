"""Checkpoints are complete or absent, and the newest complete one is found."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import damaged

from ernie_paddle.errors import UserError
from ernie_paddle.model import saved
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.model.saved import Model, load_model
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training import checkpoint
from ernie_paddle.training.checkpoint import TrainerState, newest_complete, remove_old, save_checkpoint
from ernie_paddle.training.loss_scale import LossScale
from ernie_paddle.training.stage_plan import StagePlan

FILES = {"model.safetensors", "optimizer.safetensors", "trainer_state.json", "ernie_config.json", "vocab.txt"}
FILES |= {"SHA256SUMS"}


@pytest.fixture
def model(toy_vocabulary: Vocabulary, toy_model: Path) -> Model:
    random = np.random.default_rng(0)
    parameters = {"word_embedding": random.normal(size=(64, 16)).astype(np.float32)}
    return Model(ErnieConfig.load(toy_model), toy_vocabulary, parameters)


def save(folder: Path, step: int, model: Model) -> Path:
    state = TrainerState(
        step=step, plan=StagePlan(("a",), ((20,),)), cursors={}, loss_scale=LossScale(), labels={}, run={}
    )
    return save_checkpoint(folder, model, {"moment": np.ones(3, np.float32)}, state)


def test_a_saved_model_comes_back_with_the_same_bits(tmp_path: Path, model: Model) -> None:
    path = save(tmp_path, 7, model)
    assert {file.name for file in path.iterdir()} == FILES
    for where in (path, tmp_path):
        loaded = load_model(where)
        assert loaded.config == model.config and loaded.vocabulary.ids == model.vocabulary.ids
        assert loaded.parameters["word_embedding"].tobytes() == model.parameters["word_embedding"].tobytes()


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_damaged_file_makes_the_one_before_the_newest_complete(tmp_path: Path, model: Model, name: str) -> None:
    """This holds for resuming and for loading the model; loading ignores the optimizer's state."""
    random = np.random.default_rng(0)
    older, newer = save(tmp_path, 7, model), save(tmp_path, 12, model)
    for _ in range(5):
        heard: list[str] = []
        with damaged(newer / name, random):
            assert newest_complete(tmp_path, heard.append) == older
            assert len(heard) == 1 and str(newer) in heard[0] and name in heard[0]
            taken = newer if name == "optimizer.safetensors" else older
            assert saved.resolve(tmp_path) == taken
            if taken == older:
                with pytest.raises(UserError, match=name):
                    load_model(newer)
    assert newest_complete(tmp_path, heard.append) == saved.resolve(tmp_path) == newer


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_makes_the_one_before_the_newest_complete(tmp_path: Path, model: Model, name: str) -> None:
    older, newer = save(tmp_path, 7, model), save(tmp_path, 12, model)
    (newer / name).unlink()
    heard: list[str] = []
    assert newest_complete(tmp_path, heard.append) == older and name in heard[0]


def test_a_checkpoint_whose_vocabulary_lost_its_case_is_not_complete(tmp_path: Path, model: Model) -> None:
    cased = replace(model, vocabulary=replace(model.vocabulary, lower_case=False))
    older, newer = save(tmp_path, 7, cased), save(tmp_path, 12, cased)
    heard: list[str] = []
    assert newest_complete(tmp_path, heard.append) == newer
    (newer / "tokenizer_config.json").unlink()
    assert newest_complete(tmp_path, heard.append) == older and "tokenizer_config.json: missing" in heard[0]


def test_checkpoints_are_ordered_by_step_and_the_oldest_go_first(tmp_path: Path, model: Model) -> None:
    for step in (90, 100, 1000, 200):
        save(tmp_path, step, model)
    (tmp_path / ".step_2000.partial").mkdir()
    assert [path.name for path in saved.checkpoints(tmp_path)] == ["step_90", "step_100", "step_200", "step_1000"]
    remove_old(tmp_path, 2)
    assert [path.name for path in saved.checkpoints(tmp_path)] == ["step_200", "step_1000"]
    assert (tmp_path / checkpoint.LATEST).read_text() == "step_200\n"  # the last one written


def test_nothing_is_left_of_a_checkpoint_that_could_not_be_written(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 7, model)

    def full_disk(tensors: dict[str, np.ndarray], path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 12, model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step_7"]
    assert load_model(tmp_path).parameters.keys() == model.parameters.keys()


def test_a_fine_tuning_run_stands_for_its_best_model(tmp_path: Path, model: Model) -> None:
    save(tmp_path, 7, model)
    best = replace(model, parameters={name: values + 1 for name, values in model.parameters.items()})
    (tmp_path / "best").mkdir()
    saved.save_model(tmp_path / "best", best)
    save(tmp_path, 12, model)
    assert saved.resolve(tmp_path) == tmp_path / "best"
    loaded = load_model(tmp_path).parameters["word_embedding"]
    assert loaded.tobytes() == best.parameters["word_embedding"].tobytes()
    assert saved.resolve(tmp_path / "step_7") == tmp_path / "step_7", "a checkpoint that is named is taken"
    with damaged(tmp_path / "best" / saved.MODEL_FILE, np.random.default_rng(0)):
        for read in (saved.resolve, load_model):
            with pytest.raises(UserError, match=r"best/model\.safetensors: damaged"):
                read(tmp_path)


def test_a_model_of_another_library_is_to_be_converted_first(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"another library; first run: ernie-paddle convert {tmp_path} --out"):
        load_model(tmp_path)


def test_a_folder_without_a_model_is_named(tmp_path: Path, model: Model) -> None:
    with pytest.raises(UserError, match="none: not found; name the folder of a model or of a run"):
        load_model(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: is not a folder"):
        load_model(tmp_path / "file")
    with pytest.raises(UserError, match="neither a model"):
        load_model(tmp_path)
    path = save(tmp_path, 7, model)
    shutil.rmtree(path)
    with pytest.raises(UserError, match="neither a model"):
        load_model(tmp_path)
    os.makedirs(path)
    (path / "model.safetensors").write_bytes(b"\x05")
    with pytest.raises(UserError, match="SHA256SUMS: list of checksums not found"):
        load_model(path)
