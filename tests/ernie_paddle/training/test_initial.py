"""Starting from a trained model takes its parameters and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training import checkpoint
from ernie_paddle.training.checkpoint import Model
from ernie_paddle.training.initial import compare, initialise
from ernie_paddle.training.run import save
from ernie_paddle.training.trainer import Trainer

MASKING = {"tasks": {"knowledge_masking": {"updates": 4}}}
DISTANCE = {"tasks": {"sentence_distance": {"updates": 4}}}


@pytest.fixture
def trained(toy_trainer: Callable[..., Trainer], tmp_path: Path) -> Path:
    trainer = toy_trainer(plan=MASKING)
    for _ in trainer.updates():
        pass
    save(trainer, tmp_path / "trained", {})
    return tmp_path / "trained"


def test_only_parameters_are_taken(toy_trainer: Callable[..., Trainer], trained: Path, tmp_path: Path) -> None:
    trainer = toy_trainer(plan=DISTANCE)
    report = initialise(trainer, trained, Console(quiet=True))
    given = checkpoint.load_model(trained).parameters
    found = trainer.session.parameters()
    assert report.matched and all((found[name] == given[name]).all() for name in report.matched)
    assert all("sentence_distance" in name or "pooled" in name for name in report.missing), report.missing
    assert set(report.unexpected) == {name for name in given if name.startswith("mask_lm")}
    assert trainer.progress.update == 0 and trainer.progress.cursors == {}
    assert trainer.session.optimizer_state() == {}


def test_tensors_are_sorted_by_what_becomes_of_them() -> None:
    found = {"a": np.zeros(2), "b": np.zeros((2, 3)), "d": np.zeros(1)}
    report = compare({"a": (2,), "b": (3, 2), "c": (1,)}, found)
    assert (report.matched, report.missing, report.unexpected, report.mismatched) == (["a"], ["c"], ["d"], ["b"])


def rewritten(path: Path, out: Path, **parts: object) -> Path:
    """A copy of a model with some of its parts replaced."""
    out.mkdir()
    checkpoint.save_model(out, replace(checkpoint.load_model(path), **parts))  # type: ignore[arg-type]
    return out


def test_models_that_do_not_fit_are_refused(
    toy_trainer: Callable[..., Trainer], trained: Path, tmp_path: Path, toy_vocabulary: Vocabulary
) -> None:
    model: Model = checkpoint.load_model(trained)
    name = "encoder_layer_1_ffn_fc_0.w_0"
    smaller = {**model.parameters, name: model.parameters[name][:, :-1].copy()}
    fewer = {key: value for key, value in model.parameters.items() if key != name}
    shuffled = Vocabulary({token: 59 - i for token, i in toy_vocabulary.ids.items()})
    for out, parts, message in (
        ("shape", {"parameters": smaller}, rf"{name} is \[16, 63\], this model needs \[16, 64\]"),
        ("missing", {"parameters": fewer}, f"1 encoder tensors are missing, the first is {name}"),
        ("vocabulary", {"vocabulary": shuffled}, "vocabulary"),
    ):
        with pytest.raises(UserError, match=message):
            initialise(toy_trainer(plan=DISTANCE), rewritten(trained, tmp_path / out, **parts), Console(quiet=True))
