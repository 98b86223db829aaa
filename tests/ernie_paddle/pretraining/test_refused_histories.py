"""What a run does not continue: other plans, models and code, and folders that are not such a run."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finetuning_support import write_recipe
from helpers import Run, assert_user_error
from history_support import NEXT, TASKS, same_of_both

from data_builders.annotation.features import CAPITALIZATION
from ernie_paddle import testing
from ernie_paddle.data.schema import Column
from ernie_paddle.data.spans import SPANS
from ernie_paddle.task import SentenceClassificationObjective
from ernie_paddle.training.log_file import LOG_FILE


def reordered(*names: str) -> dict[str, Any]:
    return {"plan": {"tasks": {name: {"steps": 4} for name in names}}}


def listed(*columns: list[int]) -> dict[str, Any]:
    return {"plan": {"strategy": "stages", "tasks": dict(zip(NEXT, ({"steps": c} for c in columns), strict=False))}}


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (reordered("sentence_reordering", "knowledge_masking"), ["plan.tasks", "order: knowledge_masking, sentence_r"]),
        (reordered("knowledge_masking", "capitalization"), ["lists the tasks of that run first"]),
        (reordered("capitalization", *TASKS), ["lists the tasks of that run first"]),
        (
            listed([4, 1, 5], [0, 3, 5]),
            [
                "stage 2 was run",
                "knowledge_masking 2, sentence_reordering 3,",
                "knowledge_masking 1, sentence_reordering 3;",
            ],
        ),
        (listed([4], [1]), ["stage 1 was run", "sentence_reordering 0", "sentence_reordering 1"]),
        (listed([4, 2], [0, 3]), ["adds no stage to the 2 that were run"]),
        (listed([4, 2, 0], [0, 3, 0], [0, 0, 0]), ["'capitalization' has no steps"]),
        ({"plan": {"strategy": "sequential", "tasks": reordered(*TASKS)["plan"]["tasks"]}}, ["'sequential' adds no"]),
        ({"train": {"batch_tokens": 256, "learning_rate": {"peak": [0.1]}}}, ["1 values for a run of 3 stages"]),
    ],
)
def test_a_plan_that_does_not_continue_the_run(
    run: Run,
    earlier: Path,
    continued: Callable[..., Path],
    tmp_path: Path,
    sections: dict[str, Any],
    words: list[str],
) -> None:
    same_of_both(run, continued(**sections), earlier, tmp_path / "out", *words)


def test_another_model_vocabulary_or_classes(
    run: Run, earlier: Path, continued: Callable[..., Path], tmp_path: Path
) -> None:
    out, shards = tmp_path / "out", tmp_path / "shards"
    sizes = {"num_hidden_layers": 1, "layer_norm_epsilon": 1e-12, "hidden_dropout_prob": 0.2}
    model = testing.write_toy_model(tmp_path / "model.json", 64, **sizes)
    found = ["num_hidden_layers 2, the plan's has 1; layer_norm_epsilon 1e-05, the plan's has 1e-12; use the model"]
    same_of_both(run, continued(model={"config": str(model)}), earlier, out, *found)
    columns = {
        "knowledge_masking": SPANS,
        "capitalization": (*SPANS, CAPITALIZATION.column),
        "sentence_reordering": (*SPANS, Column("label", "sentence", ("near", "far"))),
    }
    testing.write_toy_shards(shards, columns)
    renamed = "the classes of sentence_reordering were order 0, order 1, order 2, order 3, order 4 and 4 more, now they"
    same_of_both(run, continued(data={"shards": str(shards)}), earlier, out, f"{renamed} are near, far;")
    shutil.rmtree(shards)
    columns["sentence_reordering"] = (*SPANS, Column("label", "sentence", tuple(f"order {i}" for i in range(9))))
    testing.write_toy_shards(shards, columns, testing.toy_vocabulary([f"v{i}" for i in range(55)]))
    same_of_both(run, continued(data={"shards": str(shards)}), earlier, out, "was trained with another vocabulary")


def test_a_task_whose_code_has_changed(
    earlier: Path, continued: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """Its head has another shape than that of the run."""

    def logits(self: SentenceClassificationObjective, network: Any, outputs: Any) -> Any:
        return network.sentence_logits(outputs, self.head, self.classes(0) + 1)

    monkeypatch.setattr(SentenceClassificationObjective, "logits", logits)
    code, stderr = run("pretrain", continued(), "--continue-from", earlier, "--out", tmp_path / "out")
    assert_user_error(code, stderr, "sentence_reordering_fc.", "another shape", "(2 tensors)")


def test_folders_that_cannot_be_continued(
    run: Run, earlier: Path, continued: Callable[..., Path], tmp_path: Path
) -> None:
    plan, out = continued(), tmp_path / "out"
    same_of_both(run, plan, tmp_path / "nowhere", out, "nowhere: not found")
    same_of_both(run, plan, plan, out, "plan.yaml: is not a folder")
    (tmp_path / "empty").mkdir()
    same_of_both(run, plan, tmp_path / "empty", out, "empty: no complete checkpoint to continue from")
    model = Path(shutil.copytree(earlier / "step_9", tmp_path / "model"))
    same_of_both(run, plan, model, out, "model: a model without moments and positions; --init starts")
    damaged = Path(shutil.copytree(earlier, tmp_path / "damaged"))
    (damaged / LOG_FILE).write_text("no record\n")
    same_of_both(run, plan, damaged, out, f"{LOG_FILE} line 1: damaged")
    (damaged / "step_7" / "optimizer.safetensors").unlink()
    same_of_both(run, plan, damaged / "step_7", out, "optimizer.safetensors: missing")


def test_a_fine_tuning_run_cannot_be_continued(
    run: Run, toy_pretrained: Path, continued: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "data.tsv").write_text("text_a\tlabel\nw1\tno\nw2\tyes\n")
    files = dict.fromkeys(("train", "dev"), tmp_path / "data.tsv")
    recipe = write_recipe(tmp_path / "recipe.yaml", files, epochs=1)
    assert run("finetune", recipe, "--model", toy_pretrained, "--out", tmp_path / "finetuned")[0] == 0
    same_of_both(run, continued(), tmp_path / "finetuned", tmp_path / "out", "finetuned: a fine-tuning run; only pre-t")


def test_a_run_is_not_continued_in_its_own_folder_or_with_the_parameters_of_another_model(
    run: Run, earlier: Path, continued: Callable[..., Path], tmp_path: Path
) -> None:
    plan, kept = continued(), sorted(path.name for path in earlier.rglob("*"))
    for out in (earlier, earlier / "step_9", earlier / "more", earlier / ".." / earlier.name):
        for resume in ([], ["--resume"], ["--resume", "auto"]):
            code, stderr = run("pretrain", plan, "--continue-from", earlier / "step_7", "--out", out, *resume)
            assert_user_error(code, stderr, f"{out}: is in the run {earlier.resolve()}", "choose another --out")
    code, stderr = run("pretrain", plan, "--continue-from", earlier, "--init", earlier, "--out", tmp_path / "out")
    assert_user_error(code, stderr, "--init and --continue-from: give one")
    assert not (tmp_path / "out").exists() and sorted(path.name for path in earlier.rglob("*")) == kept
