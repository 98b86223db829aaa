"""`ernie-paddle plan` finds what `pretrain` would refuse."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Run

from ernie_paddle.config import load_settings
from ernie_paddle.data.schema import SENTENCE_IDS
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import SPLITS, Manifest, SampleTable
from ernie_paddle.pretraining.checking import check_plan
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import toy_vocabulary, write_toy_model

MASKING = {"knowledge_masking": {"steps": 3}}
LEARNING_RATE = {"peak": 0.01}


@pytest.fixture
def shards(tmp_path: Path, toy_shards: Path) -> Path:
    """A copy of the toy shards that a test may spoil."""
    return Path(shutil.copytree(toy_shards, tmp_path / "shards"))


def same_of_both(run: Run, plan: Path, out: Path, *words: str) -> list[str]:
    """Check that `plan` and `pretrain` refuse a plan with the same lines, one for each of `words`."""
    found = {}
    for command, options in (("plan", ()), ("pretrain", ("--out", out))):
        code, stderr = run(command, plan, *options)
        assert code == 2 and "Traceback" not in stderr, stderr
        prefix = f"ernie-paddle {command}: "
        assert all(line.startswith(prefix) for line in stderr.splitlines()), stderr
        found[command] = [line.removeprefix(prefix) for line in stderr.splitlines()]
    lines = found["plan"]
    assert lines == found["pretrain"] and len(lines) == len(words), lines
    assert all(word in line for word, line in zip(words, lines, strict=True)), lines
    assert not out.exists()
    return lines


def small_vocabulary(path: Path) -> None:
    toy_vocabulary(["x"]).save(path)


def too_long(shards: Path) -> None:
    manifest = Manifest.load(shards / "knowledge_masking")
    replace(manifest, max_length=33).save(shards / "knowledge_masking")


def without_validation(shards: Path) -> None:
    manifest = Manifest.load(shards / "knowledge_masking")
    splits, corpora = ({**parts, "validation": []} for parts in (manifest.splits, manifest.corpora))
    replace(manifest, splits=splits, corpora=corpora).save(shards / "knowledge_masking")


def label_beyond(shards: Path) -> None:
    change_column(shards / "sentence_distance", "label", counts={"3": 7})


def without_labels(shards: Path) -> None:
    """Put samples without a sentence-level label in the place of others."""
    shutil.rmtree(shards / "sentence_distance")
    shutil.copytree(shards / "knowledge_masking", shards / "sentence_distance")


def change_column(folder: Path, name: str, **changes: Any) -> None:
    """Change what the manifest says about a column."""
    manifest = Manifest.load(folder)
    columns = [replace(column, **changes) if column.name == name else column for column in manifest.columns]
    replace(manifest, columns=columns).save(folder)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"plan": {"tasks": {"masking": {"steps": 1}, **MASKING}}}, "unknown pre-training task 'masking'"),
        ({"plan": {"tasks": {"knowledge_masking": {"steps": 3, "options": {"unit": 1}}}}}, "unknown key 'unit'"),
        (
            {
                "plan": {
                    "tasks": {**MASKING, "sentence_distance": {"steps": 1}},
                    "auxiliary_tasks": ["sentence_distance"],
                }
            },
            "not a token-level task",
        ),
        ({"model": {"config": "no.json"}, "plan": {"tasks": MASKING}}, "no.json: model configuration not found"),
        ({"train": {"batch_tokens": 9, "learning_rate": LEARNING_RATE}, "plan": {"tasks": MASKING}}, "batch_tokens 9"),
        (
            {"train": {"batch_tokens": 999, "learning_rate": {"peak": [0.1, 0.2]}}, "plan": {"tasks": MASKING}},
            "peak: 2 values for a run of 1 stage;",
        ),
    ],
)
def test_settings_that_do_not_fit(
    run: Run, write_plan: Callable[..., Path], tmp_path: Path, sections: dict[str, Any], words: str
) -> None:
    same_of_both(run, write_plan(**sections), tmp_path / "run", words)


@pytest.mark.parametrize(
    ("spoil", "task", "words"),
    [
        (lambda shards: small_vocabulary(shards / "vocab.txt"), "knowledge_masking", "another vocabulary (60 entries"),
        (lambda shards: (shards / "vocab.txt").write_text("x"), "knowledge_masking", "vocab.txt: not a vocabulary"),
        (too_long, "knowledge_masking", "samples have up to 33 tokens"),
        (without_validation, "knowledge_masking", "no validation samples"),
        (label_beyond, "sentence_distance", "found label 3, but the task 'sentence_distance' has 3 classes"),
        (
            without_labels,
            "sentence_distance",
            "needs the sentence-level column 'label'; the samples have: bi_tags (token level)",
        ),
        (
            lambda shards: change_column(shards / "capitalization", "capitalization", labels=("low", "high")),
            "capitalization",
            "column 'capitalization': classes low, high; the task has lower-case, capitalized",
        ),
        (lambda shards: shutil.rmtree(shards / "capitalization" / "train"), "capitalization", "shard-00000.arrow"),
    ],
)
def test_samples_that_do_not_fit(
    run: Run,
    write_plan: Callable[..., Path],
    tmp_path: Path,
    shards: Path,
    spoil: Callable[[Path], Any],
    task: str,
    words: str,
) -> None:
    plan = write_plan(data={"shards": str(shards)}, plan={"tasks": {task: {"steps": 1}}})
    assert run("plan", plan)[0] == 0
    spoil(shards)
    same_of_both(run, plan, tmp_path / "run", words)


def test_an_auxiliary_task_has_the_same_classes_in_all_samples(
    run: Run, write_plan: Callable[..., Path], tmp_path: Path, shards: Path
) -> None:
    tasks = {name: {"steps": 1} for name in ("capitalization", "sentence_distance")}
    plan = write_plan(data={"shards": str(shards)}, plan={"tasks": tasks})
    change_column(shards / "sentence_distance", "capitalization", labels=("low", "high"))
    same_of_both(run, plan, tmp_path / "run", "sentence_distance: column 'capitalization' has other classes")
    alone = write_plan(data={"shards": str(shards)}, plan={"tasks": tasks, "auxiliary_tasks": []})
    assert run("plan", alone)[0] == 0


def test_models_without_a_row_for_each_segment_of_the_samples_are_refused(
    run: Run, write_plan: Callable[..., Path], tmp_path: Path, shards: Path
) -> None:
    task = shards / "knowledge_masking"
    manifest, vocabulary = Manifest.load(task), toy_vocabulary()
    blocks = {split: SampleTable.open(task, split).take(np.arange(8)) for split in SPLITS}
    first = blocks["validation"].lengths[0]
    blocks["validation"].columns[SENTENCE_IDS][first - 2 : first] = [1, 2]
    shutil.rmtree(task)
    columns = [column.declaration for column in manifest.columns]
    writer = ShardWriter(task, task.name, vocabulary.digest, vocabulary.size, 32, {"seed": 1}, columns, 8)
    for split, block in blocks.items():
        writer.write(split, "toy", block)
    writer.finish()
    for rows in (2, 3):
        model = write_toy_model(tmp_path / "model.json", 64, sent_type_vocab_size=rows)
        plan = write_plan(model={"config": str(model)}, data={"shards": str(shards)}, plan={"tasks": MASKING})
        if rows == 2:
            words = "knowledge_masking: samples have up to 3 segments, but the model's sent_type_vocab_size is 2"
            same_of_both(run, plan, tmp_path / "run", words)
        else:
            assert run("plan", plan)[0] == 0


def test_every_mistake_gets_its_own_line(
    run: Run, write_plan: Callable[..., Path], tmp_path: Path, shards: Path
) -> None:
    model = write_toy_model(tmp_path / "model.json", 50, task_type_vocab_size=3, max_position_embeddings=16)
    tasks = {"masking": {"steps": 1}, "capitalization": {"steps": 1}, "sentence_reordering": {"steps": 1}}
    plan = write_plan(model={"config": str(model)}, data={"shards": str(shards)}, plan={"tasks": tasks})
    same_of_both(
        run,
        plan,
        tmp_path / "run",
        "'masking'",
        "task 'sentence_reordering': the task id is 3",
        "vocab_size 50 is less than the 60 entries",
        "capitalization: samples have up to 32 tokens",
        "sentence_reordering: samples have up to 32 tokens",
    )
    plan = write_plan(
        plan={"tasks": {"sentence_distance": {"steps": 1}}, "auxiliary_tasks": ["sentence_distance"]},
        train={"batch_tokens": 9, "learning_rate": LEARNING_RATE},
    )
    same_of_both(run, plan, tmp_path / "run", "'sentence_distance' is not a token-level task", "batch_tokens 9")


def test_samples_that_are_not_built_are_a_warning_of_plan_and_an_error_of_pretrain(
    run: Run, write_plan: Callable[..., Path], tmp_path: Path, shards: Path
) -> None:
    shutil.rmtree(shards / "capitalization")
    plan = write_plan(data={"shards": str(shards)})
    message = f"{shards}: capitalization not found; build the samples of the plan's tasks\n"
    assert run("plan", plan) == (0, f"warning: {message}")
    assert run("pretrain", plan, "--out", tmp_path / "run") == (2, f"ernie-paddle pretrain: {message}")
    shutil.rmtree(shards)
    code, stderr = run("plan", plan)
    assert code == 0 and stderr.startswith(f"warning: {shards}: vocab.txt, knowledge_masking, capitalization")


def test_a_vocabulary_of_the_users_own_is_checked_before_samples_are_built(
    write_plan: Callable[..., Path], tmp_path: Path, toy_shards: Path
) -> None:
    model = write_toy_model(tmp_path / "model.json", 50)
    data = {"shards": str(tmp_path / "nowhere"), "vocab": str(toy_shards / "vocab.txt")}
    plan = write_plan(model={"config": str(model)}, data=data, plan={"tasks": MASKING})
    check = check_plan(load_settings(PretrainSettings, plan, []), load_plugins())
    assert "vocab_size 50 is less than the 60 entries" in "".join(check.mistakes) and len(check.mistakes) == 1
    assert "vocab.txt" not in check.not_built
    (missing,) = check_plan(load_settings(PretrainSettings, plan, ["data.vocab=no.txt"]), load_plugins()).mistakes
    assert missing.startswith("no.txt: vocabulary not found")
