"""The names of the Python API: imported when they are used, with the settings and errors of the commands."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from finetuning_support import write_recipe
from real_text_support import RealText

import ernie_paddle
from ernie_paddle.cli import main
from ernie_paddle.data.shards import Manifest
from ernie_paddle.model import saved

STUB = Path(ernie_paddle.__file__).with_suffix(".pyi")
LEAST_SECONDS = """
import sys, time
began = time.perf_counter()
import ernie_paddle
seconds = time.perf_counter() - began
assert not {"numpy", "pydantic", "paddle", "tasks", "data_builders"} & sys.modules.keys()
dir(ernie_paddle)
ernie_paddle.Encoder, ernie_paddle.Predictor, ernie_paddle.evaluate, ernie_paddle.export, ernie_paddle.UserError
assert "paddle" not in sys.modules, "the classes themselves need no Paddle"
print(seconds)
"""


def test_the_package_is_imported_at_once_and_its_names_without_paddle() -> None:
    runs = [subprocess.run([sys.executable, "-c", LEAST_SECONDS], capture_output=True, text=True) for _ in range(3)]
    assert [run.stderr for run in runs] == ["", "", ""]
    assert min(float(run.stdout) for run in runs) < 0.2


def test_names_are_those_that_type_checkers_know() -> None:
    nodes = ast.parse(STUB.read_text()).body
    declared = {alias.name: node.module for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert declared == ernie_paddle._MODULES
    assert set(ernie_paddle.__all__) == {"__version__", *declared}
    for name, module in declared.items():
        assert getattr(ernie_paddle, name) is getattr(importlib.import_module(str(module)), name)
        assert name in dir(ernie_paddle)
    with pytest.raises(AttributeError, match="has no attribute 'Encodr'"):
        ernie_paddle.Encodr  # type: ignore[attr-defined]  # noqa: B018


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder of shards; manifests tell no time."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_samples_are_built_as_by_the_command(real_text: RealText, tmp_path: Path) -> None:
    settings = {**real_text.settings, "tasks": {"sentence_distance": {"corpora": ["zh"]}}}
    settings["corpora"] = {"zh": settings["corpora"]["zh"]}
    config = tmp_path / "corpora.yaml"
    config.write_text(yaml.safe_dump(settings))
    main(["build", "--corpora", str(config), "--out", str(tmp_path / "command")])
    result = ernie_paddle.build_samples(config, str(tmp_path / "python"))
    assert files_of(tmp_path / "python") == files_of(tmp_path / "command")
    counts = result.tasks["sentence_distance"]
    assert counts.samples["train"] == Manifest.load(tmp_path / "python" / "sentence_distance").count("train") > 0


def test_models_are_pretrained_as_by_the_command(write_plan: Callable[..., Path], tmp_path: Path) -> None:
    plan = write_plan(plan={"tasks": {"knowledge_masking": {"steps": 2}}})
    main(["pretrain", str(plan), "--out", str(tmp_path / "command"), "--set", "train.seed=3"])
    with_seed = ernie_paddle.load_settings(ernie_paddle.PretrainSettings, plan, ["train.seed=3"])
    for name, settings in (("settings", with_seed), ("file", str(plan))):
        ernie_paddle.pretrain(settings, tmp_path / name)
    command, settings, file = (
        (tmp_path / name / "step_2" / saved.MODEL_FILE).read_bytes() for name in ("command", "settings", "file")
    )
    assert command == settings != file
    with pytest.raises(ernie_paddle.UserError, match="holds checkpoints; resume the run"):
        ernie_paddle.pretrain(plan, tmp_path / "file")


def test_models_are_fine_tuned_and_scored_as_by_the_command(toy_pretrained: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.tsv"
    data.write_text("text_a\tlabel\n" + "w1 w2\tno\nw3\tyes\n" * 8)
    recipe = write_recipe(tmp_path / "recipe.yaml", {"train": data, "dev": data}, epochs=1)
    main(["finetune", str(recipe), "--model", str(toy_pretrained), "--out", str(tmp_path / "command")])
    result = ernie_paddle.finetune(str(recipe), toy_pretrained, tmp_path / "python")
    runs = [(tmp_path / name / "best" / saved.MODEL_FILE).read_bytes() for name in ("command", "python")]
    assert runs[0] == runs[1]
    scores = ernie_paddle.evaluate(tmp_path / "python", recipe)
    assert {name: one.as_record() for name, one in scores.items()} == {
        name: {key: value for key, value in of_set.items() if key != "loss"} for name, of_set in result["sets"].items()
    }
    again = ernie_paddle.load_recipe(recipe, "base", ["train.seed=2"])
    ernie_paddle.finetune(again, toy_pretrained, tmp_path / "again", from_scratch=True)
    assert (tmp_path / "again" / "best" / saved.MODEL_FILE).read_bytes() != runs[0]
