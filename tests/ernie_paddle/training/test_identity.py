"""What a resumed run must have in common with its beginning: everything that decides the result, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetuning_support import write_recipe

from ernie_paddle.config import load_settings
from ernie_paddle.finetuning.run import Finetuning
from ernie_paddle.finetuning.settings import load_recipe
from ernie_paddle.model import saved
from ernie_paddle.pretraining.run import run_identity
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import write_toy_model


def test_a_pre_training_run_is_its_model_plan_train_section_and_samples(
    write_plan: Callable[..., Path], toy_shards: Path, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    shutil.copytree(toy_shards, shards)
    sections: dict[str, Any] = {"data": {"shards": str(shards)}}

    def identity(**changed: Any) -> dict[str, Any]:
        return run_identity(load_settings(PretrainSettings, write_plan(**sections, **changed), []))

    settings, first = load_settings(PretrainSettings, write_plan(**sections), []), identity()
    assert first.keys() == {"model", "plan", "train", "data", "data.weights", "data.shares"}
    assert first["data"].keys() == {*settings.plan.tasks}
    assert first["plan"] == settings.plan.model_dump(mode="json")
    assert first["train"] == settings.train.model_dump(mode="json")
    assert identity(impl={"logging_steps": 1, "recompute": True, "attention": "padded"}) == first
    copied, other = shutil.copy(settings.model.config, tmp_path / "copy.json"), tmp_path / "other.json"
    assert identity(model={"config": str(copied)}) == first, "whatever the file is called"
    write_toy_model(other, 64, num_hidden_layers=2, attention_probs_dropout_prob=0.2)
    assert identity(model={"config": str(other)})["model"] != first["model"]
    for task in settings.plan.tasks:
        manifest = shards / task / "manifest.json"
        text = manifest.read_text()
        manifest.write_text(text + "\n")
        assert {name for name, digest in identity()["data"].items() if digest != first["data"][name]} == {task}
        manifest.write_text(text)


@pytest.fixture
def identity_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """A function that gives the identity of a fine-tuning run on three files of rows; keys of the recipe may change."""

    class Started(Exception): ...

    def start(trainer: Any, identity: dict[str, Any], *_: Any) -> None:
        raise Started(identity)

    monkeypatch.setattr("ernie_paddle.finetuning.run.start", start)

    def identity_of(model: Path, rows: dict[str, str], scratch: bool = False, **keys: Any) -> dict[str, Any]:
        files = {name: tmp_path / f"{name}.tsv" for name in rows}
        for name, path in files.items():
            path.write_text("text_a\tlabel\n" + rows[name])
        settings = load_recipe(write_recipe(tmp_path / "recipe.yaml", files, **keys), "base", [])
        with pytest.raises(Started) as started:
            Finetuning(settings, model, tmp_path / "run", load_plugins(), from_scratch=scratch).run("no")
        return started.value.args[0]

    return identity_of


def test_a_fine_tuning_run_is_its_recipe_model_and_samples(
    identity_of: Callable[..., dict[str, Any]], toy_pretrained: Path, tmp_path: Path
) -> None:
    rows = {name: f"w{i} w4\tno\nw5\tyes\n" for i, name in enumerate(("train", "dev", "test"))}
    first = identity_of(toy_pretrained, rows)
    assert json.loads(json.dumps(first)) == first, "as the checkpoint keeps it"
    aside = {"impl": {"logging_steps": 1}, "paper": {"dev": {"accuracy": 90.0}}, "paper_source": "x"}
    assert identity_of(toy_pretrained, rows, **aside, submission={"test": "A"}) == first
    recipe = {"signature", "metric", "metric_options", "data", "epochs", "evaluate_every", "dropout", "train"}
    assert first["settings"].keys() == recipe and first["samples"].keys() == rows.keys()
    for name, text in rows.items():
        for other in (text.replace("w5", "w6"), text.replace("yes", "no")):
            found = identity_of(toy_pretrained, {**rows, name: other})["samples"]
            assert {set_name for set_name, digest in found.items() if digest != first["samples"][set_name]} == {name}
    model = saved.load_model(toy_pretrained)
    model.parameters["pooled_fc.b_0"] = np.full(16, 1e-3, np.float32)
    (tmp_path / "other").mkdir()
    saved.save_model(tmp_path / "other", model)
    assert identity_of(tmp_path / "other", rows)["model"] != first["model"]
    assert identity_of(toy_pretrained, rows, scratch=True)["from_scratch"] != first["from_scratch"]
