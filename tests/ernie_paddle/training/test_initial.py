"""Starting from a trained model takes its parameters and nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ernie_paddle.checksums import write_checksums
from ernie_paddle.errors import UserError
from ernie_paddle.model import saved
from ernie_paddle.model.saved import Model
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.initial import ENCODER_PREFIXES, Initial, compare, initialise
from ernie_paddle.training.run import save
from ernie_paddle.training.trainer import Trainer

MASKING = {"tasks": {"knowledge_masking": {"steps": 4}}}
DISTANCE = {"tasks": {"sentence_distance": {"steps": 4}}}


@pytest.fixture
def trained(toy_trainer: Callable[..., Trainer], tmp_path: Path) -> Path:
    trainer = toy_trainer(plan=MASKING)
    for _ in trainer.steps():
        pass
    save(trainer, tmp_path / "trained", {})
    return tmp_path / "trained"


def test_only_parameters_are_taken(toy_trainer: Callable[..., Trainer], trained: Path, tmp_path: Path) -> None:
    trainer = toy_trainer(plan=DISTANCE)
    report = initialise(trainer, Initial(trained), Console(quiet=True))
    given = saved.load_model(trained).parameters
    found = trainer.session.parameters()
    assert report.matched and all((found[name] == given[name]).all() for name in report.matched)
    assert all("sentence_distance" in name or "pooled" in name for name in report.missing), report.missing
    assert set(report.unexpected) == {name for name in given if name.startswith("mask_lm")}
    assert trainer.progress.step == 0 and trainer.progress.cursors == {}
    assert trainer.session.optimizer_state() == {}


def test_heads_that_are_carried_stay_as_they_are_in_the_model(
    toy_trainer: Callable[..., Trainer], trained: Path, tmp_path: Path
) -> None:
    trainer = toy_trainer(plan=DISTANCE)
    report = initialise(trainer, Initial(trained, carried=("mask_lm_trans_",)), Console(quiet=True))
    for _ in trainer.steps():
        pass
    save(trainer, tmp_path / "run", {})
    given, found = (saved.load_model(path).parameters for path in (trained, tmp_path / "run"))
    carried = {name for name in report.unexpected if name.startswith("mask_lm_trans_")}
    assert len(carried) == 4 and all(found[name].tobytes() == given[name].tobytes() for name in carried)
    assert "mask_lm_out_fc.b_0" in given.keys() - found.keys()


def test_tensors_are_sorted_by_what_becomes_of_them() -> None:
    found = {"a": np.zeros(2), "b": np.zeros((2, 3)), "d": np.zeros(1)}
    report = compare({"a": (2,), "b": (3, 2), "c": (1,)}, found)
    assert (report.matched, report.missing, report.unexpected, report.mismatched) == (["a"], ["c"], ["d"], ["b"])
    assert report.reinitialised == []
    report = compare({"a": (2,), "b": (3, 2), "c": (1,)}, found, frozenset({"b", "c", "d"}))
    assert (report.matched, report.mismatched, report.reinitialised) == (["a"], [], ["b"]), "only what both have"


def rewritten(path: Path, out: Path, **parts: object) -> Path:
    """Write a copy of a model with some parts replaced; return its folder."""
    out.mkdir()
    saved.save_model(out, replace(saved.load_model(path), **parts))  # type: ignore[arg-type]
    return out


def test_models_that_do_not_fit_are_refused(
    toy_trainer: Callable[..., Trainer], trained: Path, tmp_path: Path, toy_vocabulary: Vocabulary
) -> None:
    model: Model = saved.load_model(trained)
    name = "encoder_layer_1_ffn_fc_0.w_0"
    smaller = {**model.parameters, name: model.parameters[name][:, :-1].copy()}
    heads = ("task_embedding", "pooled_fc", "mask_lm_", "sentence_distance_fc", "capitalization_fc")
    encoder = [key for key in model.parameters if not key.startswith(heads)]
    fewer = {key: value for key, value in model.parameters.items() if key != name}
    for key in encoder:
        assert key.startswith(ENCODER_PREFIXES), "each tensor of the encoder is one that must be there"
    shuffled = Vocabulary({token: 59 - i for token, i in toy_vocabulary.ids.items()})
    for out, parts, message in (
        ("shape", {"parameters": smaller}, rf"{name} has shape \[16, 63\], expected \[16, 64\]"),
        ("missing", {"parameters": fewer}, f"1 encoder tensors are missing, the first is {name}"),
        ("vocabulary", {"vocabulary": shuffled}, "vocabulary"),
    ):
        with pytest.raises(UserError, match=message):
            other = Initial(rewritten(trained, tmp_path / out, **parts))
            initialise(toy_trainer(plan=DISTANCE), other, Console(quiet=True))


def test_a_head_that_the_model_lacks_cannot_be_kept(toy_trainer: Callable[..., Trainer], trained: Path) -> None:
    with pytest.raises(UserError, match="no head to keep"):
        initialise(toy_trainer(plan=DISTANCE), Initial(trained, "kept"), Console(quiet=True))


def said(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.fixture
def with_head(toy_trainer: Callable[..., Trainer], tmp_path: Path) -> Path:
    """Return a checkpoint whose head of sentence distance differs from a new one."""
    trainer = toy_trainer(plan=DISTANCE)
    trainer.session.parameter_shapes(trainer.tasks.values())
    trainer.session.set_parameters({name: values + 1 for name, values in trainer.session.parameters().items()})
    save(trainer, tmp_path / "with_head", {})
    return tmp_path / "with_head"


HEAD = "sentence_distance_fc"


@pytest.mark.parametrize("change", ["shape", "half", "labels", "nothing"])
def test_a_head_of_other_classes_starts_anew_and_is_said(
    toy_trainer: Callable[..., Trainer], with_head: Path, change: str
) -> None:
    path = saved.resolve(with_head)
    parameters = dict(saved.load_model(path).parameters)
    state = json.loads((path / "trainer_state.json").read_text())
    assert state["labels"] == {"sentence_distance": ["adjacent", "same document", "different documents"]}
    if change == "shape":
        parameters[f"{HEAD}.w_0"], parameters[f"{HEAD}.b_0"] = np.ones((16, 5), np.float32), np.ones(5, np.float32)
    elif change == "half":
        del parameters[f"{HEAD}.b_0"]
    elif change == "labels":
        state["labels"]["sentence_distance"].reverse()
    model = replace(saved.load_model(path), parameters=parameters)
    (path / "trainer_state.json").write_text(json.dumps(state))
    saved.save_model(path, model)
    trainer, fresh, console = (
        toy_trainer(plan=DISTANCE),
        toy_trainer(plan=DISTANCE),
        Console(file=StringIO(), width=400),
    )
    fresh.session.parameter_shapes(fresh.tasks.values())
    report = initialise(trainer, Initial(with_head), console)
    reason = {"shape": "has shape [5], expected [3]", "half": "b_0 is missing", "labels": "its classes were different"}
    reinitialised = "the head of sentence_distance is newly initialised" in said(console)
    assert reinitialised == (change != "nothing") and reason.get(change, "") in said(console)
    expected = fresh.session.parameters() if reinitialised else parameters
    for name in (f"{HEAD}.w_0", f"{HEAD}.b_0"):
        assert (name in report.matched) != reinitialised
        np.testing.assert_array_equal(trainer.session.parameters()[name], expected[name])
    assert "encoder_layer_0_ffn_fc_0.w_0" in report.matched and "pooled_fc.w_0" in report.matched


def test_a_model_without_a_record_of_labels_gives_heads_of_the_same_shape(
    toy_trainer: Callable[..., Trainer], with_head: Path
) -> None:
    folder = saved.resolve(with_head)
    (folder / "trainer_state.json").unlink()
    write_checksums(folder)
    report = initialise(toy_trainer(plan=DISTANCE), Initial(with_head), Console(quiet=True))
    assert f"{HEAD}.w_0" in report.matched and not report.reinitialised
