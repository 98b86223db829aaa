"""An exported model gives the predictions of the fine-tuned model, in order and without other files."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from finetuning_support import LABELS, write_recipe
from helpers import Run, assert_user_error, files_at_most, read_exports_back_here, run_command

from ernie_paddle.cli import main
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.inference import export
from ernie_paddle.inference.backends import inference_config
from ernie_paddle.inference.batching import CHUNK, CHUNKS_AHEAD
from ernie_paddle.inference.predictor import Predictor
from ernie_paddle.inputs import InputRow
from ernie_paddle.model.saved import load_model, save_model
from ernie_paddle.programs import devices
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.classification import LabelPrediction

BATCH = 8
BF16 = 2e-2  # how far a probability may be off; it is by 0.005


def sentence(random: np.random.Generator, positive: bool) -> str:
    """Return words w20 to w54 with one of w0 to w4 if positive, else one of w5 to w9."""
    words = [f"w{i}" for i in random.integers(20, 55, random.integers(1, 12))]
    words.insert(int(random.integers(len(words) + 1)), f"w{random.integers(0, 5) + (0 if positive else 5)}")
    return " ".join(words)


def write_rows(path: Path, rows: int, seed: int) -> Path:
    random = np.random.default_rng(seed)
    labels = random.random(rows) < 0.5
    lines = [f"{sentence(random, bool(label))}\t{'yes' if label else 'no'}" for label in labels]
    path.write_text("\n".join(["text_a\tlabel", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory: pytest.TempPathFactory, toy_pretrained: Path) -> Path:
    """A folder with a fine-tuned and exported model."""
    folder = tmp_path_factory.mktemp("finetuned")
    rows = {"train": 400, "dev": 100, "test": 101}
    files = {name: write_rows(folder / f"{name}.tsv", count, seed=count) for name, count in rows.items()}
    train = {"batch_samples": 16, "learning_rate": {"peak": 0.01, "warmup_share": 0.1}}
    recipe = write_recipe(folder / "recipe.yaml", files, epochs=6, train=train)
    main(["finetune", str(recipe), "--model", str(toy_pretrained), "--out", str(folder / "run")])
    main(["export", str(folder / "run" / "best"), "--out", str(folder / "export")])
    return folder


def test_finetuning_learns_and_keeps_its_best_epoch(finetuned: Path) -> None:
    result = read_json(finetuned / "run" / "result.json", "result")
    test = result["sets"]["test"]
    assert test["values"]["accuracy"] > 0.9 and test["count"] == 101
    kept = read_json(finetuned / "run" / "best" / "scores.json", "scores")
    assert result["sets"]["dev"] == kept["sets"]["dev"] and result["step"] == kept["step"]


def test_a_run_is_exported_as_its_best_model(finetuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_exports_back_here(monkeypatch)
    main(["export", str(finetuned / "run"), "--out", str(tmp_path / "export")])
    exports = (
        {path.name: path.read_bytes() for path in (folder / "export").iterdir()} for folder in (finetuned, tmp_path)
    )
    assert next(exports) == next(exports)


def texts_of(rows: int) -> list[str]:
    random = np.random.default_rng(rows)
    return [sentence(random, bool(random.integers(2))) for _ in range(rows)]


def labels_of(predictor: Predictor, texts: Sequence[str], **options: int) -> list[LabelPrediction]:
    predictions = predictor.predict(texts, **options)
    assert all(isinstance(prediction, LabelPrediction) for prediction in predictions)
    return predictions  # type: ignore[return-value]


@pytest.mark.parametrize("rows", [0, 1, BATCH - 1, BATCH, BATCH + 1])
def test_predictions_do_not_depend_on_the_batch_and_keep_their_order(finetuned: Path, rows: int) -> None:
    predictor, texts = Predictor.load(finetuned / "export"), texts_of(rows)
    together, alone = (labels_of(predictor, texts, batch_tokens=tokens) for tokens in (16 * BATCH, 1))
    assert len(together) == rows
    for one, other in zip(together, alone, strict=True):
        assert np.allclose(one.scores, other.scores, atol=1e-5)
        assert one.label == LABELS[int(np.argmax(one.scores))] and one.probability == max(one.scores)
        assert one.probabilities == dict(zip(LABELS, one.scores, strict=True))
        assert np.isclose(sum(one.scores), 1, atol=1e-5)


def test_inputs_are_taken_as_predictions_are(finetuned: Path) -> None:
    """So memory does not grow with their number."""
    predictor, taken = Predictor.load(finetuned / "export"), 0

    def inputs() -> Iterator[InputRow]:
        nonlocal taken
        for taken in range(1, 100 * CHUNK):
            yield InputRow(str(taken), "here", "w1")

    predictions = predictor.stream(predictor.examples(inputs()))
    for number in range(1, 2 * CHUNK):
        assert next(predictions).id == str(number) and taken <= number + (CHUNKS_AHEAD + 3) * CHUNK
    predictions.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("inputs", "message"), [("w1", "give a list"), ([["w1"], 3], "input 1: expected a text")])
def test_what_is_no_input_is_named(finetuned: Path, inputs: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Predictor.load(finetuned / "export").predict(inputs)


def predicted(
    capsys: pytest.CaptureFixture[str], export: Path, content: str, folder: Path
) -> tuple[list[list[str]], str]:
    """Return the rows that `predict` prints, and stderr."""
    (folder / "rows.tsv").write_text(content)
    capsys.readouterr()
    try:
        main(["predict", str(export), "--input", str(folder / "rows.tsv")])
    except SystemExit as stop:
        assert stop.code == 2
    printed = capsys.readouterr()
    return [line.split("\t") for line in printed.out.splitlines()[1:]], printed.err


def test_every_row_is_predicted_or_named(capsys: pytest.CaptureFixture[str], finetuned: Path, tmp_path: Path) -> None:
    export = finetuned / "export"
    rows, stderr = predicted(capsys, export, "text_a\nw1\n\nw7\n\n", tmp_path)
    assert [row[0] for row in rows] == ["0", "1", "2", "3"] and stderr == ""
    assert rows[1][1:] == rows[3][1:] and rows[0][2] != rows[1][2]
    rows, stderr = predicted(capsys, export, "text_a\tlabel\nw1\t\n\t\nw7\t\n\n", tmp_path)
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert "rows.tsv: skipped: 1 for an empty line" in stderr and "line 5" in stderr
    rows, stderr = predicted(capsys, export, "text_a\tlabel\nw1\t\n\nw7\t\n", tmp_path)
    assert rows == [] and "rows.tsv line 3: an empty line" in stderr


def test_an_export_that_the_disk_has_no_room_for_is_not_there(run: Run, finetuned: Path, tmp_path: Path) -> None:
    """Paddle writes truncated parameters and programs without an error."""
    size = (finetuned / "export" / "model.pdiparams").stat().st_size
    for limit in (size - 100, 500):
        with files_at_most(limit):
            code, stderr = run("export", finetuned / "run" / "best", "--out", tmp_path / "export")
        assert_user_error(code, stderr, str(tmp_path / "export"), "not written", "cannot be read back")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("difference", "written"), [(0.0, True), (1e-5, True), (1.1e-5, False), (float("nan"), False)])
def test_an_export_whose_scores_differ_is_not_written(
    run: Run, finetuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, difference: float, written: bool
) -> None:
    monkeypatch.setattr(export, "largest_difference", lambda *arguments: difference)
    code, stderr = run("export", finetuned / "run" / "best", "--out", tmp_path / "export")
    assert (code == 0) == (tmp_path / "export").exists() == written
    if not written:
        assert_user_error(code, stderr, "not written, the exported model's outputs differ by")


def test_differences_of_an_export_are_found_in_either_direction_and_as_shares_of_large_scores(
    monkeypatch: pytest.MonkeyPatch, toy_vocabulary: Vocabulary
) -> None:
    """Of a single short row and of a batch with the longest one."""
    shapes: list[tuple[int, ...]] = []
    own = {1: np.array([[0.5, 0.25]]), 4: np.array([[0.5, 100.0]])}
    found = {1: np.array([[0.5, 0.25]]), 4: np.array([[0.5, 100.0]])}

    class Program:
        def run(self, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            shapes.append(feed["input_ids"].shape)
            return [own[len(feed["input_ids"])]]

    monkeypatch.setattr(
        export, "call_in_new_process", lambda call, folder, feeds: [[found[len(f["input_ids"])]] for f in feeds]
    )
    source = SimpleNamespace(program=Program(), max_length=16, model=SimpleNamespace(vocabulary=toy_vocabulary))

    def largest() -> float:
        return export.largest_difference(source, Path(), export.run_export)  # type: ignore[arg-type]

    assert largest() == 0 and shapes == [(1, 3), (4, 16)]
    for change in (-0.125, 0.125):
        found[1] = own[1] + [[0, change]]
        assert largest() == 0.125
    found[1], found[4] = own[1], own[4] + [[0, 25.0]]
    assert largest() == 0.25


def test_a_model_without_its_head_is_named(run: Run, finetuned: Path, tmp_path: Path) -> None:
    model = load_model(finetuned / "run" / "best")
    del model.parameters["cls_out.b_0"]
    (tmp_path / "headless").mkdir()
    save_model(tmp_path / "headless", model)
    code, stderr = run("export", tmp_path / "headless", "--out", tmp_path / "export")
    assert_user_error(code, stderr, "headless: the model lacks cls_out.b_0")


def test_options_of_prediction_that_do_not_fit_are_refused(run: Run, finetuned: Path, tmp_path: Path) -> None:
    def said(*options: object) -> tuple[int, str]:
        return run("predict", finetuned / "export", *options)

    test, labels = ("--input", finetuned / "test.tsv"), ["yes", "no"]
    assert_user_error(
        *said(*test, "--output", tmp_path / "a.json"), "a.json: predictions of classification are .tsv or .jsonl files"
    )
    assert_user_error(*said(*test, "--set", "data.test=x"), "--set: needs --recipe")
    recipe = write_recipe(
        tmp_path / "a.yaml",
        {"test": finetuned / "test.tsv"},
        signature={"task": "classification", "labels": labels, "max_length": 16},
    )
    assert_user_error(*said("--recipe", recipe), "a.yaml: its task or labels differ from those of")
    both = {"test": {"a": str(finetuned / "test.tsv"), "b": str(finetuned / "test.tsv")}}
    recipe = write_recipe(tmp_path / "b.yaml", both)
    assert_user_error(*said("--recipe", recipe), "b.yaml: has 2 test sets")
    code, stderr = said(
        "--recipe",
        recipe,
        "--set",
        f"data.test={finetuned / 'test.tsv'}",
        "--no-scores",
        "--output",
        tmp_path / "b.tsv",
    )
    assert code == 0, stderr
    header, *rows = (tmp_path / "b.tsv").read_text().splitlines()
    assert header == "index\tprediction" and len(rows) == 101
    assert {row.split("\t")[1] for row in rows} == set(LABELS)


def test_predicting_from_the_export_alone_gives_the_accuracy_of_the_test_file(finetuned: Path, tmp_path: Path) -> None:
    """The export is moved, so that prediction cannot read other files of the run."""
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in (finetuned / "export").iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    output = tmp_path / "predictions.tsv"
    done = run_command("predict", moved, "--input", finetuned / "test.tsv", "--output", output, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with open(output) as predictions, open(finetuned / "test.tsv") as truth:
        pairs = list(
            zip(csv.DictReader(predictions, delimiter="\t"), csv.DictReader(truth, delimiter="\t"), strict=True)
        )
    right = sum(prediction["prediction"] == true["label"] for prediction, true in pairs)
    result = read_json(finetuned / "run" / "result.json", "result")
    assert right / 101 == pytest.approx(result["sets"]["test"]["values"]["accuracy"])


def test_prediction_has_the_threads_of_the_environment(finetuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for threads in (1, 3):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        config = inference_config(finetuned / "export", on_gpu=True, precision="fp32")
        assert config.cpu_math_library_num_threads() == threads and config.onednn_enabled()


def test_bf16_predicts_as_fp32_where_the_scores_are_clear(finetuned: Path) -> None:
    if not devices.cpu_supports_bf16():
        pytest.skip("needs a CPU with AVX-512 that oneDNN may use")
    fp32, bf16 = (Predictor.load(finetuned / "export", precision=precision) for precision in ("fp32", "bf16"))
    texts = texts_of(101)
    together, alone = (bf16.predict(texts, batch_tokens=tokens) for tokens in (16 * BATCH, 1))
    differences = []
    for exact, rounded, single in zip(fp32.predict(texts), together, alone, strict=True):
        assert np.allclose(rounded.scores, single.scores, atol=1e-2)
        assert rounded.value == exact.value or abs(exact.scores[0] - exact.scores[1]) < 2 * BF16
        differences.append(np.abs(np.subtract(rounded.scores, exact.scores)).max())
    assert 1e-5 < max(differences) < BF16  # so it does compute otherwise


def test_bf16_is_refused_where_the_cpu_has_none(finetuned: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cpu_supports_bf16", lambda: False)
    code, stderr = run("predict", finetuned / "export", "--input", finetuned / "test.tsv", "--precision", "bf16")
    assert_user_error(code, stderr, "--precision: bf16 needs a GPU or a CPU with AVX-512")
