"""Fine-tuning runs."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetuning_support import write_recipe
from helpers import Run, assert_user_error, read_exports_back_here, run_command
from safetensors.numpy import load_file

from ernie_paddle.checksums import write_checksums
from ernie_paddle.cli import main
from ernie_paddle.files import read_json
from ernie_paddle.model import saved
from ernie_paddle.programs.variables import ParameterSpec
from ernie_paddle.training.log_file import LOG_FILE, read_log


def recipe_over(folder: Path, rows: int, **keys: object) -> Path:
    """A recipe over rows whose first word tells the label."""
    random = np.random.default_rng(0)
    words = random.integers(0, 55, (rows, 6))
    lines = [f"{' '.join(f'w{word}' for word in row)}\t{'yes' if row[0] < 28 else 'no'}" for row in words]
    data = folder / "data.tsv"
    data.write_text("\n".join(["text_a\tlabel", *lines]) + "\n")
    return write_recipe(folder / "recipe.yaml", {"train": data, "dev": data}, **keys)


def test_a_run_that_diverges_ends_in_one_line_and_keeps_no_best_model(toy_pretrained: Path, tmp_path: Path) -> None:
    """The loss and the gradients of the epoch's only step are finite; the parameters after it are infinite."""
    learning_rate = {"peak": 1e38, "schedule": "constant"}
    recipe = recipe_over(tmp_path, 8, train={"batch_samples": 8, "learning_rate": learning_rate})
    result = run_command("finetune", recipe, "--model", toy_pretrained, "--out", tmp_path / "run")
    assert_user_error(result.returncode, result.stderr, "step 1", "training diverged", "learning_rate.peak")
    assert not (tmp_path / "run" / "best").exists()


def finetune(recipe: Path, model: Path, out: Path, *options: str) -> dict[str, bytes]:
    """Run a recipe; return the files of its newest checkpoint."""
    main(["finetune", str(recipe), "--model", str(model), "--out", str(out), *options])
    newest = saved.checkpoints(out)[-1]
    return {name: (newest / name).read_bytes() for name in (saved.MODEL_FILE, saved.OPTIMIZER_FILE)}


@pytest.mark.parametrize("every", [{"epochs": 1}, {"steps": 5}])
def test_a_resumed_run_ends_with_the_bits_of_one_never_stopped(
    toy_pretrained: Path, tmp_path: Path, every: dict[str, int]
) -> None:
    recipe = recipe_over(tmp_path, 64, dropout=0.2, impl={"save_steps": 3}, evaluate_every=every)
    straight = finetune(recipe, toy_pretrained, tmp_path / "straight")
    assert saved.checkpoints(tmp_path / "straight")[-1].name == "step_12"
    shutil.copytree(tmp_path / "straight", tmp_path / "stopped")
    shutil.rmtree(tmp_path / "stopped" / "step_12")
    assert finetune(recipe, toy_pretrained, tmp_path / "stopped", "--resume") == straight
    for name in ("best/model.safetensors", "result.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    assert scored(tmp_path / "stopped") == scored(tmp_path / "straight")


def test_a_run_resumes_with_a_complete_best_model_only_and_warns_of_predictions_for_no_set(
    run: Run, toy_pretrained: Path, tmp_path: Path
) -> None:
    submission = {"dev": "A", "tset": "B"}
    recipe = recipe_over(tmp_path, 32, epochs=2, impl={"save_steps": 1}, submission=submission)
    command = ["finetune", recipe, "--model", toy_pretrained, "--out", tmp_path / "run"]
    code, stderr = run(*command)
    assert (
        code == 0 and "warning: submission.tset: 'B' will not be written" in stderr and "submission.dev" not in stderr
    )
    rows, full = (
        (tmp_path / "run" / name).read_text().splitlines() for name in ("submission/A.tsv", "predictions/dev.tsv")
    )
    assert rows == ["\t".join(line.split("\t")[:2]) for line in full] and len(rows) == 33, "predictions without scores"
    shutil.rmtree(tmp_path / "run" / "step_4")
    scores = tmp_path / "run" / "best" / "scores.json"
    scores.write_text(re.sub(r"\d", lambda digit: str(9 - int(digit[0])), scores.read_text(), count=1))
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("step_*/*")}
    assert_user_error(*run(*command, "--resume"), "best/scores.json: damaged or changed")
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("step_*/*")} == before


def scored(run: Path) -> dict[int, float]:
    """Return the accuracy on the dev set by step."""
    records = [record for record in read_log(run / LOG_FILE) if record["event"] == "scores"]
    return {record["step"]: record["sets"]["dev"]["values"]["accuracy"] for record in records}


def test_dev_is_scored_every_few_steps_and_at_the_end_and_the_first_of_the_best_is_kept(
    toy_pretrained: Path, tmp_path: Path
) -> None:
    train = {"batch_samples": 16, "learning_rate": {"peak": 0.003}}
    recipe = recipe_over(tmp_path, 64, epochs=3, train=train, evaluate_every={"steps": 5})
    finetune(recipe, toy_pretrained, tmp_path / "run")
    found = scored(tmp_path / "run")
    assert list(found) == [5, 10, 12]
    best = read_json(tmp_path / "run" / "best" / "scores.json", "scores")
    assert best["step"] == max(found, key=lambda step: found[step]) and best["selection_value"] == max(found.values())
    assert {path.name for path in saved.checkpoints(tmp_path / "run")} == {"step_8", "step_12"}, "epochs' ends"


def test_a_warm_up_longer_than_the_run_is_said_before_its_first_step(
    run: Run, toy_pretrained: Path, tmp_path: Path
) -> None:
    rate = {"peak": 0.003, "warmup_steps": 1000}
    recipe = recipe_over(tmp_path, 32, epochs=1, train={"batch_samples": 16, "learning_rate": rate})
    code, stderr = run("finetune", recipe, "--model", toy_pretrained, "--out", tmp_path / "run")
    assert code == 0, stderr
    lines = stderr.splitlines()
    warning = next(number for number, line in enumerate(lines) if line.startswith("warning: "))
    assert warning < next(number for number, line in enumerate(lines) if line.startswith("step "))
    assert "1,000" in lines[warning] and "2 steps of the run" in lines[warning] and "6e-06" in lines[warning]


def test_only_the_first_rows_are_trained_on(toy_pretrained: Path, tmp_path: Path) -> None:
    few = {"train": str(tmp_path / "data.tsv"), "dev": str(tmp_path / "data.tsv"), "train_rows": 32}
    finetune(recipe_over(tmp_path, 64, data=few), toy_pretrained, tmp_path / "run")
    records = [record for record in read_log(tmp_path / "run" / LOG_FILE) if record["event"] == "train"]
    assert sum(sum(record["samples"].values()) for record in records) == 3 * 32


def test_scratch_takes_sizes_and_vocabulary_only(toy_pretrained: Path, tmp_path: Path) -> None:
    still = {"batch_samples": 64, "learning_rate": {"peak": 1e-12}}
    recipe = recipe_over(tmp_path, 64, epochs=1, train=still)
    given = saved.load_model(toy_pretrained).parameters
    for out, options, same in (("tuned", (), True), ("scratch", ("--from-scratch",), False)):
        finetune(recipe, toy_pretrained, tmp_path / out, *options)
        found = saved.load_model(tmp_path / out / "best")
        assert found.config == saved.load_model(toy_pretrained).config
        assert np.allclose(found.parameters["word_embedding"], given["word_embedding"], atol=1e-6) == same


def test_dropout_of_the_recipe_takes_the_place_of_the_model_s(toy_pretrained: Path, tmp_path: Path) -> None:
    ends = [
        finetune(recipe_over(tmp_path, 32, epochs=1, **keys), toy_pretrained, tmp_path / f"run{i}")
        for i, keys in enumerate(({}, {"dropout": 0.5}))
    ]
    assert ends[0] != ends[1]
    assert saved.load_model(tmp_path / "run1" / "best").config.hidden_dropout_prob == 0.5


def predictions_of(run: Path) -> tuple[list[str], np.ndarray]:
    """Return the index and the prediction of each row, and the scores."""
    rows = [line.split("\t") for line in (run / "predictions" / "dev.tsv").read_text().splitlines()[1:]]
    return [row[0] for row in rows], np.array([row[2:] for row in rows], np.float64)


def test_predictions_do_not_depend_on_how_the_data_are_batched(toy_pretrained: Path, tmp_path: Path) -> None:
    """The learning rate is nearly 0, so that only the batches of the evaluation differ."""
    found = []
    for number, size in enumerate(({"batch_samples": 1}, {"batch_samples": 7}, {"batch_tokens": 300})):
        train = {**size, "learning_rate": {"peak": 1e-12}}
        finetune(recipe_over(tmp_path, 45, epochs=1, train=train), toy_pretrained, tmp_path / f"run{number}")
        found.append(predictions_of(tmp_path / f"run{number}"))
    assert found[0][0] == [str(row) for row in range(45)]
    for ids, scores in found[1:]:
        assert ids == found[0][0]
        np.testing.assert_allclose(scores, found[0][1], atol=2e-6)
    assert len(np.unique(found[0][1][:, 0])) > 20, "rows differ"


STILL = {"batch_samples": 16, "learning_rate": {"peak": 1e-12}}  # no learning: the head stays as it began


def recipe_for(folder: Path, labels: list[str], task: str = "classification") -> Path:
    """Return a recipe whose rows have these labels in turn."""
    rows = [f"w{row} w3\t{labels[row % len(labels)]}" for row in range(16)]
    (folder / "labelled.tsv").write_text("\n".join(["text_a\tlabel", *rows]) + "\n")
    files: dict[str, Any] = dict.fromkeys(("train", "dev"), folder / "labelled.tsv")
    signature = {"task": task, "max_length": 16} | ({} if task == "regression" else {"labels": labels})
    metric = {"metric": "pearson_and_spearman"} if task == "regression" else {}
    return write_recipe(folder / "recipe.yaml", files, signature=signature, epochs=1, train=STILL, **metric)


@pytest.fixture(scope="module")
def tuned(toy_pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that was fine-tuned with the labels `no` and `yes`."""
    folder = tmp_path_factory.mktemp("tuned")
    finetune(recipe_over(folder, 16, epochs=1), toy_pretrained, folder / "run")
    return folder / "run" / "best"


def parameters(name: str, *models: Path) -> list[np.ndarray]:
    return [saved.load_model(model).parameters[name] for model in models]


def said_of_head(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if " head " in line]


def test_a_head_of_the_same_task_and_labels_is_kept(
    toy_pretrained: Path, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(recipe_for(tmp_path, ["no", "yes"]), toy_pretrained, tmp_path / "pretrained")
    assert not said_of_head(capsys)
    finetune(recipe_for(tmp_path, ["no", "yes"]), tuned, tmp_path / "run")
    before, after = parameters("cls_out.w_0", tuned, tmp_path / "run" / "best")
    np.testing.assert_allclose(after, before, atol=1e-6)
    (line,) = said_of_head(capsys)
    assert "its head is kept: it was also fine-tuned for classification of no, yes" in line


@pytest.mark.parametrize(
    ("labels", "task"),
    [(["yes", "no"], "classification"), (["a", "b", "c"], "classification"), (["0", "1"], "regression")],
)
def test_any_other_head_starts_anew(
    tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: list[str], task: str
) -> None:
    """The head gets the initial values of a model without a head."""
    finetune(recipe_for(tmp_path, labels, task), tuned, tmp_path / "run")
    (found,) = parameters("cls_out.w_0", tmp_path / "run" / "best")
    spec = ParameterSpec("cls_out.w_0", (16, 1 if task == "regression" else len(labels)), "normal", 0.25)
    np.testing.assert_allclose(found, spec.initial(seed=1), atol=1e-6)
    (line,) = said_of_head(capsys)
    assert (
        "it was fine-tuned for classification of no, yes; the head is newly initialised" in line
        and "--keep-head" not in line
    )
    before, after = parameters("pooled_fc.w_0", tuned, tmp_path / "run" / "best")
    np.testing.assert_allclose(after, before, atol=1e-6)


def without_signature(model: Path, out: Path) -> Path:
    """Return the same model without its signature, as conversion writes it if it cannot tell the head's meaning."""
    shutil.copytree(model, out)
    (out / "signature.json").unlink()
    write_checksums(out)
    return out


def test_a_head_of_unknown_labels_is_taken_only_if_asked_for(
    tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = without_signature(tuned, tmp_path / "unknown")
    recipe = recipe_for(tmp_path, ["a", "b"])
    finetune(recipe, model, tmp_path / "new_head")
    (line,) = said_of_head(capsys)
    assert "its head has no signature; the head is newly initialised" in line and "--keep-head" in line
    finetune(recipe, model, tmp_path / "kept", "--keep-head")
    assert "it is kept for classification of a, b" in said_of_head(capsys)[0]
    before, new_head, kept = parameters(
        "cls_out.w_0", model, tmp_path / "new_head" / "best", tmp_path / "kept" / "best"
    )
    np.testing.assert_allclose(kept, before, atol=1e-6)
    assert np.abs(new_head - before).max() > 1e-3


def test_a_head_that_is_insisted_on_has_to_fit(run: Run, toy_pretrained: Path, tuned: Path, tmp_path: Path) -> None:
    def fails(labels: list[str], model: Path, *words: str) -> None:
        recipe = recipe_for(tmp_path, labels)
        code, stderr = run("finetune", recipe, "--model", model, "--out", tmp_path / "run", "--keep-head")
        assert_user_error(code, stderr, *words)

    fails(["yes", "no"], tuned, "fine-tuned for classification of no, yes", "classification of yes, no", "--keep-head")
    unknown = without_signature(tuned, tmp_path / "unknown")
    fails(["a", "b", "c"], unknown, "cls_out.b_0 has shape [2], expected [3]")
    fails(["no", "yes"], toy_pretrained, "has no head to keep", "cls_out")
    recipe = recipe_for(tmp_path, ["no", "yes"])
    both = ("--keep-head", "--from-scratch")
    assert run("finetune", recipe, "--model", tuned, "--out", tmp_path / "run", *both)[0] == 2


def test_a_run_resumes_only_with_the_same_head(run: Run, tuned: Path, tmp_path: Path) -> None:
    model = without_signature(tuned, tmp_path / "unknown")
    recipe = recipe_for(tmp_path, ["a", "b"])
    finetune(recipe, model, tmp_path / "run")
    arguments = ("finetune", recipe, "--model", model, "--out", tmp_path / "run", "--resume")
    assert run(*arguments)[0] == 0
    assert_user_error(*run(*arguments, "--keep-head"), "head was 'new' and is 'kept' now")


def test_every_command_takes_the_best_model_of_a_run(
    run: Run, write_plan: Callable[..., Path], tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_exports_back_here(monkeypatch)
    folder = Path(shutil.copytree(tuned.parent, tmp_path / "run"))
    model = saved.load_model(folder / "best")
    words = np.full_like(model.parameters["word_embedding"], 0.5)
    best = replace(model, parameters=model.parameters | {"word_embedding": words})
    saved.save_model(folder / "best", best)  # unlike the newest checkpoint

    assert run("convert", folder, "--to", "huggingface", "--out", tmp_path / "converted")[0] == 0
    tensors = load_file(tmp_path / "converted" / "model.safetensors")
    assert (tensors["ernie.embeddings.word_embeddings.weight"] == 0.5).all()

    assert run("export", folder, "--out", tmp_path / "export")[0] == 0
    assert run("export", folder / "best", "--out", tmp_path / "export_of_best")[0] == 0
    exports = [(tmp_path / name / "SHA256SUMS").read_text() for name in ("export", "export_of_best")]
    assert exports[0] == exports[1]

    recipe = recipe_for(tmp_path, ["no", "yes"])
    code, stderr = run("finetune", recipe, "--model", folder, "--out", tmp_path / "tuned_again")
    assert code == 0 and f"{folder}/best: " in stderr and "tensors loaded" in stderr
    plan = write_plan(
        model={"config": str(folder / "best" / "ernie_config.json")},
        plan={"tasks": {"knowledge_masking": {"steps": 1}}},
    )
    code, stderr = run("pretrain", plan, "--init", folder, "--out", tmp_path / "pretrained")
    assert code == 0 and f"{folder}/best: " in stderr and "tensors loaded" in stderr


def test_a_folder_that_holds_something_is_no_place_for_an_export(
    run: Run, tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_exports_back_here(monkeypatch)
    out = tmp_path / "out"
    out.mkdir()
    assert run("export", tuned, "--out", out)[0] == 0, "an empty folder will do"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert_user_error(*run("export", tuned, "--out", out), f"{out}: is not empty", "name a new folder")
    assert_user_error(*run("convert", tuned, "--to", "huggingface", "--out", out), f"{out}: is not empty")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
