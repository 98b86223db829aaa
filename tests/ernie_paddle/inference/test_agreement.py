"""Evaluation in training, the Python API, the commands and exports give the same predictions for every task."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from benchmark_files import BENCHMARKS
from recipe_support import RECIPES, load_recipe
from small_models import character_vocabulary, write_small_model

from ernie_paddle import Predictor, evaluate
from ernie_paddle.cli import main
from ernie_paddle.finetuning.run import Finetuning
from ernie_paddle.finetuning.settings import FinetuneSettings
from ernie_paddle.finetuning_task import Prediction
from ernie_paddle.inference import export
from ernie_paddle.metric import Scores
from ernie_paddle.registry import load_plugins

RECIPE_OF = {
    "classification": "clue/ocnli",
    "regression": "glue/sts-b",
    "sequence_labelling": "ernie_zh/msra_ner",
    "reading_comprehension": "clue/cmrc2018",
    "multiple_choice": "clue/c3",
    "cloze": "clue/chid",
    "pronoun_resolution": "clue/cluewsc2020",
}
TASKS = sorted(RECIPE_OF)


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned model and its export, examples of a test set and its file, and what training says of them.

    The model has random weights, of which the predictions depend on more tokens than those of a trained one.
    """

    model: Path
    export: Path
    settings: FinetuneSettings
    file: Path
    examples: Sequence[Any]
    predictions: list[Prediction]
    dev_scores: Scores


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tuned]:
    """A function that returns the model of a task, which it makes on first use."""
    made: dict[str, Tuned] = {}

    def get(task: str) -> Tuned:
        if task not in made:
            made[task] = make(tmp_path_factory.mktemp(task), RECIPE_OF[task])
        return made[task]

    return get


def make(folder: Path, recipe_name: str) -> Tuned:
    BENCHMARKS[recipe_name]().write(folder / "data")
    model = write_small_model(folder / "small", character_vocabulary(folder / "data"), positions=512)
    recipe = load_recipe(RECIPES / f"{recipe_name}.yaml", overrides=[f"data.folder={folder / 'data'}"])
    run = Finetuning(recipe.settings, model, folder / "run", load_plugins())
    name, (file, *_) = next(iter(recipe.data.sets("test").items()))
    predictions, _ = run._predictions(run.eval_sets[name])
    dev = run.eval_sets[run.selection_set]
    scores = run._scores(dev, run._predictions(dev)[0])
    run._save_best(folder / "run" / "best", {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "largest_difference", lambda *arguments: 0.0)  # test_predictor compares exports
        export.export(folder / "run", folder / "export", load_plugins())
    examples = run.eval_sets[name].examples.examples
    return Tuned(
        folder / "run", folder / "export", recipe.settings, folder / "data" / file, examples, predictions, scores
    )


def assert_close(found: Any, expected: Any) -> None:
    """Check that plain values are equal, and numbers within 1e-5."""
    if isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-5)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    else:
        assert found == expected


def records_of(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    return [prediction.as_record() for prediction in predictions]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def given(task: str, example: Any) -> dict[str, Any]:
    """What a user would give for an example."""
    fields = asdict(example)
    if task == "cloze":
        text = f"{example.left}{example.id}{example.right}"
        return {"text": text, "candidates": example.candidates, "blank": example.id, "group": example.group}
    if task == "pronoun_resolution":
        spans = {name: fields.pop(name) for name in ("noun", "pronoun")}
        words = {name: span["text"] for name, span in spans.items()}
        return {"text": example.text, **words} | {f"{name}_start": span["start"] for name, span in spans.items()}
    names = {
        "sequence_labelling": ["tokens"],
        "reading_comprehension": ["question", "context"],
        "multiple_choice": ["context", "question", "choices"],
    }.get(task, ["text_a", "text_b"])
    return {name: fields[name] for name in names}


@pytest.mark.parametrize("task", TASKS)
def test_models_and_exports_predict_what_training_evaluates(task: str, tuned: Callable[[str], Tuned]) -> None:
    made, inputs = tuned(task), [given(task, example) for example in tuned(task).examples]
    expected = records_of(made.predictions)
    assert len({json.dumps(record, default=str) for record in expected}) > 1
    for path in (made.model, made.model / "best", made.export):
        found = Predictor.load(path).predict(inputs)
        assert {type(prediction) for prediction in found} == {type(prediction) for prediction in made.predictions}
        assert_close(records_of(found), expected)


@pytest.mark.parametrize("task", TASKS)
def test_evaluation_without_training_gives_the_scores_of_training(task: str, tuned: Callable[[str], Tuned]) -> None:
    made = tuned(task)
    (found,) = evaluate(made.model, made.settings, splits=["dev"]).values()
    assert_close(asdict(found), asdict(made.dev_scores))


def test_commands_predict_the_same_in_every_layout_and_process(tuned: Callable[[str], Tuned], tmp_path: Path) -> None:
    """Bit for bit: JSON has all digits. The rows are read as the recipe says, and from JSON lines of a user."""
    commands = []
    for task in TASKS:
        made = tuned(task)
        rows = tmp_path / f"{task}.jsonl"
        rows.write_text(
            "".join(json.dumps({"id": one.id, **given(task, one)}) + "\n" for one in made.examples), encoding="utf-8"
        )
        for name, path in (("model", made.model), ("export", made.export)):
            commands.append(["predict", path, "--input", made.file, "--output", f"{task}_{name}_recipe.jsonl"])
            layout = ["--layout", "jsonl", "--input", rows]
            commands.append(["predict", path, *layout, "--output", f"{task}_{name}_rows.jsonl"])
    commands = [[str(argument) for argument in command] for command in commands]
    program = f"from ernie_paddle.cli import main\nfor command in {commands!r}: main(command)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for task, name in product(TASKS, ("model", "export")):
        made = tuned(task)
        recipe, rows = (lines_of(tmp_path / f"{task}_{name}_{layout}.jsonl") for layout in ("recipe", "rows"))
        assert recipe == rows and [line.pop("index") for line in rows] == [example.id for example in made.examples]
        assert_close(rows, json.loads(json.dumps(records_of(made.predictions))))
        predictor = Predictor.load(getattr(made, name))
        here = records_of(predictor.predict([given(task, example) for example in made.examples]))
        assert json.loads(json.dumps(here)) == rows


def test_a_recipes_test_set_is_predicted_as_a_file(tuned: Callable[[str], Tuned], tmp_path: Path) -> None:
    made = tuned("classification")
    recipe, data = str(RECIPES / "clue" / "ocnli.yaml"), f"data.folder={made.file.parent}"
    outputs = [tmp_path / "recipe.tsv", tmp_path / "input.tsv"]
    main(["predict", str(made.export), "--recipe", recipe, "--set", data, "--output", str(outputs[0])])
    main(["predict", str(made.export), "--input", str(made.file), "--output", str(outputs[1])])
    assert outputs[0].read_bytes() == outputs[1].read_bytes() and len(outputs[0].read_text().splitlines()) == 25


@pytest.mark.parametrize("task", ["classification", "sequence_labelling", "multiple_choice"])
def test_threads_get_the_predictions_for_their_own_inputs(task: str, tuned: Callable[[str], Tuned]) -> None:
    made = tuned(task)
    predictor = Predictor.load(made.model)
    inputs = [given(task, example) for example in made.examples]
    calls = [inputs[number : number + 1 + number % 3] for number in range(len(inputs) - 2)] * 3
    alone = [predictor.predict(call) for call in calls]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(predictor.predict, calls)) == alone
