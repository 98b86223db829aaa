"""Every recipe runs through on small files in its benchmark's own format: training, scores, predictions, submission."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from benchmark_files import BENCHMARKS
from recipe_support import RECIPES, load_recipe
from small_models import character_vocabulary, write_small_model

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning.run import PREDICTIONS, SUBMISSION, Finetuning
from ernie_paddle.registry import load_plugins

FOR_PREDICTION = {"glue/ax", "clue/diagnostics"}
QUICK = ["epochs=1", "train.learning_rate.peak=0.003"]


def run_recipe(name: str, folder: Path, overrides: list[str]) -> tuple[dict[str, Any], Path]:
    """The result of a recipe on its benchmark's small files, and the folder of the run."""
    data, out = folder / "data", folder / "run"
    BENCHMARKS[name]().write(data)
    model = write_small_model(folder / "model", character_vocabulary(data), positions=512)
    recipe = load_recipe(RECIPES / f"{name}.yaml", overrides=[f"data.folder={data}", *overrides])
    return Finetuning(recipe.settings, model, out, load_plugins()).run(resume="no"), out


def predicted_ids(path: Path) -> list[str]:
    """The ids of a file of predictions, in its order."""
    if path.suffix == ".json":
        return list(json.loads(path.read_text()))
    with open(path) as file:
        return [row["index"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(BENCHMARKS) - FOR_PREDICTION))
def test_a_recipe_runs_and_predicts_every_row_in_order(name: str, tmp_path: Path) -> None:
    made = BENCHMARKS[name]()
    sizes = [] if name == "ernie_zh/xnli" else ["train.batch_samples=8"]
    result, out = run_recipe(name, tmp_path, [*QUICK, *sizes, "dropout=0.1"])
    recipe = load_recipe(RECIPES / f"{name}.yaml").settings
    metric = load_plugins().metrics.get(recipe.metric)
    for scores in result["sets"].values():
        assert set(scores["values"]) == set(metric.values) and scores["selection_metric"] == metric.selection_metric
    assert result["selected_on"] == next(iter(result["sets"])).replace("mismatched", "matched")
    files = {path.stem: path for path in (out / PREDICTIONS).iterdir()}
    assert set(files) == set(made.sets) - {"train"}
    for one, path in files.items():
        ids = predicted_ids(path)
        assert len(ids) == len(made.sets[one]) and ids == made.ids.get(one, ids)
    names = {recipe.submission[set_name] for set_name in recipe.submission}
    assert {path.stem for path in (out / SUBMISSION).glob("*")} == names


@pytest.mark.parametrize("name", sorted(FOR_PREDICTION))
def test_a_recipe_for_prediction_alone_says_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it only serves for prediction"):
        run_recipe(name, tmp_path, [])


# A task, a recipe of it, and in how many epochs the small training file is learnt by heart.
LEARNT = {
    "classification": ("clue/csl", "accuracy", 25),
    "regression": ("glue/sts-b", "pearson", 25),
    "sequence_labelling": ("ernie_zh/msra_ner", "f1", 15),
    "reading_comprehension": ("clue/cmrc2018", "em", 40),
    "multiple_choice": ("clue/c3", "accuracy", 24),
    "cloze": ("clue/chid", "accuracy", 28),
    "pronoun_resolution": ("clue/cluewsc2020", "accuracy", 25),
}


@pytest.mark.slow
@pytest.mark.parametrize("task", LEARNT)
def test_each_task_learns_its_training_file_by_heart(task: str, tmp_path: Path) -> None:
    name, value, epochs = LEARNT[task]
    train = load_recipe(RECIPES / f"{name}.yaml").data.train
    dev = json.dumps([str(path) for path in train or ()])
    batch = 4 if task == "multiple_choice" else 8
    sizes = [f"epochs={epochs}", f"train.batch_samples={batch}"]
    overrides = [*sizes, "evaluate_every={epochs: 2}", "train.learning_rate.peak=0.003"]
    result, _ = run_recipe(name, tmp_path, [*overrides, f"data.dev={{'': {dev}}}", "data.test={}"])
    assert load_recipe(RECIPES / f"{name}.yaml").signature.task == task
    assert result["sets"]["dev"]["values"][value] > 0.9, result
