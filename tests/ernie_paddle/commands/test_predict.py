"""`predict` reads rows in every layout and from standard input, and `evaluate` scores any labelled set."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from finetuning_support import write_recipe
from helpers import Run, assert_user_error
from weights_support import finetuned_model

from ernie_paddle import Predictor
from ernie_paddle.cli import main
from ernie_paddle.files import read_json
from ernie_paddle.model.saved import save_model

LABELS = ["bad", "fair", "good"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that writes a model for a task, with random weights, on first use."""
    folder = tmp_path_factory.mktemp("models")

    def get(task: str) -> Path:
        if not (folder / task).exists():
            (folder / task).mkdir()
            save_model(folder / task, finetuned_model(task))
        return folder / task

    return get


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[list[str], str]:
    """Run a command that succeeds; return the lines of stdout, and stderr."""
    capsys.readouterr()
    main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err


def test_rows_may_be_texts_columns_or_json(
    capsys: pytest.CaptureFixture[str], model: Callable[[str], Path], tmp_path: Path
) -> None:
    path, rows = model("classification"), tmp_path / "rows"
    expected = Predictor.load(path).predict([("w1 w2", "w3"), ("w4", "")])
    contents = {
        "tsv": "text_b\ttext_a\nw3\tw1 w2\n\tw4\n",
        "jsonl": '["w1 w2", "w3"]\n{"text_a": "w4", "text_b": ""}\n',
    }
    for layout, content in contents.items():
        rows.write_text(content)
        lines, stderr = printed(capsys, "predict", path, "--input", rows, "--layout", layout, "--format", "jsonl")
        found = [json.loads(line) for line in lines]
        assert [record["probabilities"] for record in found] == [one.probabilities for one in expected]  # type: ignore[attr-defined]
        assert [record["index"] for record in found] == ["0", "1"] and stderr == ""
    rows.write_text("w1\n\nw2\n")
    lines, _ = printed(capsys, "predict", path, "--input", rows, "--layout", "text", "--no-scores")
    assert [line.split("\t")[0] for line in lines] == ["index", "0", "1", "2"] and lines[0] == "index\tprediction"


@pytest.mark.parametrize(("layout", "bad"), [("recipe", "w1\tw2"), ("tsv", "w1\tw2")])
def test_bad_rows_keep_their_places(
    capsys: pytest.CaptureFixture[str],
    run: Run,
    model: Callable[[str], Path],
    tmp_path: Path,
    layout: str,
    bad: str,
) -> None:
    rows = tmp_path / "rows.tsv"
    rows.write_text(f"text_a\nw1\n{bad}\nw3\n")
    command = ["predict", model("classification"), "--input", rows, "--layout", layout]
    assert_user_error(*run(*command, "--output", tmp_path / "out.tsv"), "rows.tsv line 3: 2 fields")
    assert not (tmp_path / "out.tsv").exists()
    lines, stderr = printed(capsys, *command, "--skip-bad")
    assert [line.split("\t")[:2] for line in lines[2:3]] == [["1", ""]] and len(lines) == 4
    assert {line.count("\t") for line in lines} == {4}
    assert "rows.tsv line 3: 2 fields" in stderr and "1 bad rows were left out" in stderr
    records = [json.loads(line) for line in printed(capsys, *command, "--skip-bad", "--format", "jsonl")[0]]
    assert [record["index"] for record in records] == ["0", "1", "2"] and "line 3" in records[1]["error"]


def test_a_row_without_a_field_is_bad(
    capsys: pytest.CaptureFixture[str], run: Run, model: Callable[[str], Path], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "w1", "noun": "w1", "pronoun": "w"}\n{"text": "w1 w2", "noun": "w1"}\n')
    command = ["predict", model("pronoun_resolution"), "--input", rows, "--layout", "jsonl", "--format", "jsonl"]
    assert_user_error(*run(*command), "rows.jsonl line 2: key 'pronoun' is missing")
    lines, _ = printed(capsys, *command, "--skip-bad")
    assert ["error" in json.loads(line) for line in lines] == [False, True]


def test_standard_input_is_read_and_tables_of_choices_have_a_column_each(
    model: Callable[[str], Path], tmp_path: Path
) -> None:
    path = model("multiple_choice")
    content = "context\tquestion\tchoices\tchoices\tchoices\nw1\tw2\tw3\tw4\tw5\nw1\tw2\tw3\tw4\t\n"
    command = [sys.executable, "-m", "ernie_paddle", "predict", str(path), "--input", "-", "--layout", "tsv"]
    done = subprocess.run(command, input=content, capture_output=True, text=True, check=True)
    header, first, second = done.stdout.splitlines()
    assert header == "index\tprediction\tchoice 0\tchoice 1\tchoice 2"
    assert first.count("\t") == second.count("\t") == 4 and second.endswith("\t")
    found = Predictor.load(path).predict([("w1", "w2", ["w3", "w4", "w5"]), ("w1", "w2", ["w3", "w4"])])
    assert [first.split("\t")[1], second.split("\t")[1]] == [str(one.value) for one in found]


def test_options_that_contradict_each_other_are_refused(run: Run, model: Callable[[str], Path], tmp_path: Path) -> None:
    path, rows = model("classification"), tmp_path / "rows"
    rows.write_text("w1\n")
    text = ["predict", path, "--input", rows, "--layout", "text"]
    assert_user_error(*run(*text, "--format", "json"), "predictions of classification are .tsv or .jsonl files")
    assert_user_error(
        *run(*text, "--format", "tsv", "--output", tmp_path / "a.jsonl"), "--format tsv writes .tsv files"
    )
    recipe = write_recipe(tmp_path / "a.yaml", {"test": rows})
    assert_user_error(*run("predict", path, "--recipe", recipe, "--layout", "text"), "--layout: is that of --input")
    assert_user_error(*run("predict", path, "--input", tmp_path / "none"), "none: not found")


# ---- evaluate ----


def labelled(folder: Path, *labels: str) -> Path:
    path = folder / "set.tsv"
    path.write_text("text_a\tlabel\n" + "".join(f"w{i}\t{label}\n" for i, label in enumerate(labels)))
    return path


def recipe_for(folder: Path, labels: list[str] = LABELS, **data: object) -> Path:
    signature = {"task": "classification", "labels": labels, "max_length": 9}
    return write_recipe(folder / "recipe.yaml", data, signature=signature, train=None)


def test_a_labelled_set_is_scored_without_training(
    capsys: pytest.CaptureFixture[str], model: Callable[[str], Path], tmp_path: Path
) -> None:
    path = model("classification")
    predictions = Predictor.load(path).predict([f"w{i}" for i in range(20)])
    gold = [LABELS[i % 3] for i in range(20)]
    right = sum(prediction.value == label for prediction, label in zip(predictions, gold, strict=True))
    recipe, output = recipe_for(tmp_path, dev=str(labelled(tmp_path, *gold))), tmp_path / "scores.json"
    lines, _ = printed(capsys, "evaluate", path, recipe, "--output", output)
    assert read_json(output, "scores")["dev"]["values"] == {"accuracy": right / 20} and 0 < right < 20
    assert any(f"{100 * right / 20:.2f}" in line and "20" in line for line in lines)


def test_what_cannot_be_scored_is_named(run: Run, model: Callable[[str], Path], tmp_path: Path) -> None:
    path, rows = model("classification"), str(labelled(tmp_path, "bad", "good"))
    other = recipe_for(tmp_path, labels=["good", "fair", "bad"], dev=rows)
    assert_user_error(*run("evaluate", path, other), "the recipe: its task or labels differ from those of")
    unlabelled = recipe_for(tmp_path, dev=rows, labelled=["train"])
    assert_user_error(*run("evaluate", path, unlabelled), "no labelled set among dev, test")
    assert_user_error(*run("evaluate", tmp_path, unlabelled), "neither a model")
    ranked = ["evaluate", path, recipe_for(tmp_path, dev=rows), "--set"]
    assert_user_error(*run(*ranked, "metric=mrr"), "set.tsv line 2", "the row has no 'group'")
    assert_user_error(*run(*ranked, "metric=pearson_and_spearman"), "pearson_and_spearman")
