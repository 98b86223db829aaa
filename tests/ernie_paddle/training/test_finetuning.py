"""Fine-tuning runs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from finetuning_support import write_recipe
from helpers import Run, assert_user_error, run_command

from ernie_paddle.cli import main
from ernie_paddle.files import read_json
from ernie_paddle.training import checkpoint
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
    """The one update of the epoch makes parameters infinite; its own loss and gradients were not."""
    learning_rate = {"peak": 1e38, "schedule": "constant"}
    recipe = recipe_over(tmp_path, 8, train={"batch_samples": 8, "learning_rate": learning_rate})
    result = run_command("finetune", recipe, "--model", toy_pretrained, "--out", tmp_path / "run")
    assert_user_error(result.returncode, result.stderr, "update 1", "training diverged", "learning_rate.peak")
    assert not (tmp_path / "run" / "best").exists()


def finetune(recipe: Path, model: Path, out: Path, *options: str) -> dict[str, bytes]:
    """Run a recipe; the files of its newest checkpoint."""
    main(["finetune", str(recipe), "--model", str(model), "--out", str(out), *options])
    newest = checkpoint.resolve(out)
    return {name: (newest / name).read_bytes() for name in (checkpoint.MODEL_FILE, checkpoint.OPTIMIZER_FILE)}


@pytest.mark.parametrize("every", [{"epochs": 1}, {"updates": 5}])
def test_a_resumed_run_ends_with_the_bits_of_one_never_stopped(
    toy_pretrained: Path, tmp_path: Path, every: dict[str, int]
) -> None:
    recipe = recipe_over(tmp_path, 64, dropout=0.2, impl={"save_every": 3}, evaluate_every=every)
    straight = finetune(recipe, toy_pretrained, tmp_path / "straight")
    assert checkpoint.resolve(tmp_path / "straight").name == "step_12"
    shutil.copytree(tmp_path / "straight", tmp_path / "stopped")
    shutil.rmtree(tmp_path / "stopped" / "step_12")
    assert finetune(recipe, toy_pretrained, tmp_path / "stopped", "--resume") == straight
    for name in ("best/model.safetensors", "result.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    assert scored(tmp_path / "stopped") == scored(tmp_path / "straight")


def scored(run: Path) -> dict[int, float]:
    """Accuracy on dev by the update after which it was scored."""
    records = [record for record in read_log(run / LOG_FILE) if record["event"] == "scores"]
    return {record["update"]: record["sets"]["dev"]["figures"]["accuracy"] for record in records}


def test_dev_is_scored_every_so_many_updates_and_at_the_end_and_the_first_of_the_best_is_kept(
    toy_pretrained: Path, tmp_path: Path
) -> None:
    train = {"batch_samples": 16, "learning_rate": {"peak": 0.003}}
    recipe = recipe_over(tmp_path, 64, epochs=3, train=train, evaluate_every={"updates": 5})
    finetune(recipe, toy_pretrained, tmp_path / "run")
    found = scored(tmp_path / "run")
    assert list(found) == [5, 10, 12]
    best = read_json(tmp_path / "run" / "best" / "scores.json", "scores")
    assert best["update"] == max(found, key=lambda update: found[update]) and best["rank"] == max(found.values())
    assert {path.name for path in checkpoint.checkpoints(tmp_path / "run")} == {"step_8", "step_12"}, "epochs' ends"


def test_a_warm_up_longer_than_the_run_is_said_before_its_first_update(
    run: Run, toy_pretrained: Path, tmp_path: Path
) -> None:
    rate = {"peak": 0.003, "warmup_updates": 1000}
    recipe = recipe_over(tmp_path, 32, epochs=1, train={"batch_samples": 16, "learning_rate": rate})
    code, stderr = run("finetune", recipe, "--model", toy_pretrained, "--out", tmp_path / "run")
    assert code == 0, stderr
    lines = stderr.splitlines()
    warning = next(number for number, line in enumerate(lines) if line.startswith("warning: "))
    assert warning < next(number for number, line in enumerate(lines) if line.startswith("update "))
    assert "1,000" in lines[warning] and "2 updates of the run" in lines[warning] and "6e-06" in lines[warning]


def test_only_the_first_rows_are_trained_on(toy_pretrained: Path, tmp_path: Path) -> None:
    few = {"train": str(tmp_path / "data.tsv"), "dev": str(tmp_path / "data.tsv"), "train_rows": 32}
    finetune(recipe_over(tmp_path, 64, data=few), toy_pretrained, tmp_path / "run")
    records = [record for record in read_log(tmp_path / "run" / LOG_FILE) if record["event"] == "train"]
    assert sum(record["samples"] for record in records) == 3 * 32


def test_scratch_takes_sizes_and_vocabulary_only(toy_pretrained: Path, tmp_path: Path) -> None:
    still = {"batch_samples": 64, "learning_rate": {"peak": 1e-12}}
    recipe = recipe_over(tmp_path, 64, epochs=1, train=still)
    given = checkpoint.load_model(toy_pretrained).parameters
    for out, options, same in (("tuned", (), True), ("scratch", ("--from-scratch",), False)):
        finetune(recipe, toy_pretrained, tmp_path / out, *options)
        found = checkpoint.load_model(tmp_path / out / "best")
        assert found.config == checkpoint.load_model(toy_pretrained).config
        assert np.allclose(found.parameters["word_embedding"], given["word_embedding"], atol=1e-6) == same


def test_dropout_of_the_recipe_takes_the_place_of_the_model_s(toy_pretrained: Path, tmp_path: Path) -> None:
    ends = [
        finetune(recipe_over(tmp_path, 32, epochs=1, **keys), toy_pretrained, tmp_path / f"run{i}")
        for i, keys in enumerate(({}, {"dropout": 0.5}))
    ]
    assert ends[0] != ends[1]
    assert checkpoint.load_model(tmp_path / "run1" / "best").config.hidden_dropout_prob == 0.5


def answers_of(run: Path) -> tuple[list[str], np.ndarray]:
    """Index and prediction of each row, and the scores."""
    rows = [line.split("\t") for line in (run / "predictions" / "dev.tsv").read_text().splitlines()[1:]]
    return [row[0] for row in rows], np.array([row[2:] for row in rows], np.float64)


def test_answers_do_not_depend_on_how_the_data_are_batched(toy_pretrained: Path, tmp_path: Path) -> None:
    """No learning, so that nothing but the batches of the evaluation differs."""
    found = []
    for number, size in enumerate(({"batch_samples": 1}, {"batch_samples": 7}, {"batch_tokens": 300})):
        train = {**size, "learning_rate": {"peak": 1e-12}}
        finetune(recipe_over(tmp_path, 45, epochs=1, train=train), toy_pretrained, tmp_path / f"run{number}")
        found.append(answers_of(tmp_path / f"run{number}"))
    assert found[0][0] == [str(row) for row in range(45)]
    for ids, scores in found[1:]:
        assert ids == found[0][0]
        np.testing.assert_allclose(scores, found[0][1], atol=2e-6)
    assert len(np.unique(found[0][1][:, 0])) > 20, "rows differ"


def test_a_model_tuned_for_other_labels_is_refused(toy_pretrained: Path, tmp_path: Path) -> None:
    finetune(recipe_over(tmp_path, 16, epochs=1), toy_pretrained, tmp_path / "first")
    signature = {"task": "classification", "labels": ["yes", "no"], "max_length": 16}
    turned = recipe_over(tmp_path, 16, epochs=1, signature=signature)
    done = run_command("finetune", turned, "--model", tmp_path / "first" / "best", "--out", tmp_path / "second")
    assert_user_error(done.returncode, done.stderr, "signature.json", "fine-tuned for the labels no, yes", "yes, no")
    finetune(recipe_over(tmp_path, 16, epochs=1), tmp_path / "first" / "best", tmp_path / "third")
