"""A mistake gets one line that names it, exit code 2, and leaves nothing half-written behind."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from finetuning_support import LABELS, write_recipe
from helpers import Run, assert_user_error
from real_text_support import RealText

from ernie_paddle.data.shards import Manifest
from ernie_paddle.locks import locked_folder
from ernie_paddle.testing import write_toy_model
from ernie_paddle.text.vocabulary import Vocabulary


def left_in(folder: Path) -> list[str]:
    """Return the files under a folder but for annotated documents, which are complete and used by the next build."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if path.parts[0] != "annotated")


# ---- building ----


@pytest.fixture
def corpora_config(real_text: RealText, tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a corpora config for one text; keyword arguments replace its keys."""

    def write(text: str | None, **keys: Any) -> Path:
        corpus = tmp_path / "text.txt"
        if text is not None:
            corpus.write_text(text, encoding="utf-8")
        tree = {
            "vocab": real_text.settings["vocab"],
            "max_length": 32,
            "corpora": {"text": {"path": str(corpus), "format": "text", "language": "zh"}},
            "tasks": {"sentence_reordering": {"corpora": ["text"]}},
            **keys,
        }
        path = tmp_path / "corpora.yaml"
        path.write_text(yaml.safe_dump(tree))
        return path

    return write


@pytest.mark.parametrize(
    ("text", "keys", "words"),
    [
        (None, {}, ["text.txt", "not found"]),
        ("", {}, ["text.txt", "empty"]),
        (" \n\n \n", {}, ["text.txt", "no document"]),
        ("只有一句话。\n\n另一篇也只有一句话。", {}, ["sentence_reordering", "fewer than 3 sentences"]),
        ("一。二。三。", {"seeds": 1}, ["corpora.yaml", "unknown key 'seeds'", "did you mean 'seed'"]),
        ("一。二。三。", {"vocab": "no.txt"}, ["no.txt", "not found"]),
        ("一。二。三。", {"tasks": {"reordering": {"corpora": ["text"]}}}, ["unknown sample builder 'reordering'"]),
        ("一。二。三。", {"tasks": {"knowledge_masking": {"corpora": ["txt"]}}}, ["'txt' is not among", "text"]),
        ("一。二。三。", {"tasks": {"capitalization": {"corpora": ["text"]}}}, ["capitalization", "no cased word"]),
        ("一。二。三。", {"tasks": {"ir_relevance": {"corpora": ["text"]}}}, ["ir_relevance", "no title"]),
        ("一。二。三。", {"tasks": {"sentence_reordering": {"corpora": ["text", "text"]}}}, ["'text' occurs twice"]),
        ("一。二。三。", {"corpora": {"../x": {"path": "t", "format": "text", "language": "zh"}}}, ["'../x' names"]),
        (
            "一。二。三。",
            {"corpora": {"x": {"path": "", "format": "text", "language": "zh"}}},
            ["empty text"],
        ),
        ("一。二。三。", {"seed": True}, ["key 'seed': expected a number, found a boolean"]),
        ("一。二。三。", {"spans": {"zh": {"gazetteers": ["/dev/null"]}}}, ["/dev/null: the word list is empty"]),
        ("一。二。三。", {"spans": {"zh": {"gazetteers": ["no.txt"]}}}, ["no.txt", "word list not found"]),
        (
            "一。二。三。",
            {"tasks": {"sentence_reordering": {"corpora": ["text"], "options": {"most_segment": 3}}}},
            ["most_segment", "did you mean 'most_segments'"],
        ),
    ],
)
def test_building_from_what_cannot_be_used(
    run: Run,
    corpora_config: Callable[..., Path],
    tmp_path: Path,
    text: str | None,
    keys: dict[str, Any],
    words: list[str],
) -> None:
    code, stderr = run("build", "--corpora", corpora_config(text, **keys), "--out", tmp_path / "shards")
    assert_user_error(code, stderr, *words)
    assert left_in(tmp_path / "shards") == []


def test_vocabulary_of_an_empty_corpus(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("")
    code, stderr = run("vocab", "--size", "100", "--out", tmp_path / "vocab.txt", tmp_path / "text.txt")
    assert_user_error(code, stderr, "text.txt", "empty")
    assert left_in(tmp_path) == ["text.txt"]


def test_inspecting_what_is_no_folder_of_shards(run: Run, tmp_path: Path) -> None:
    assert_user_error(*run("inspect", tmp_path), "no manifest.json")


# ---- pre-training ----


def test_plans_with_mistakes(run: Run, write_plan: Callable[..., Path], tmp_path: Path, toy_shards: Path) -> None:
    out = tmp_path / "run"
    learning_rate = {"peak": 0.01}
    masking = {"tasks": {"knowledge_masking": {"steps": 3}}}
    distance = {"tasks": {"sentence_distance": {"steps": 1}}}
    narrow = write_toy_model(tmp_path / "narrow.json", 64, task_type_vocab_size=3)
    for sections, words in (
        ({"train": {"batch_tokens": 9, "learning_rates": learning_rate}}, ["train.learning_rates", "'learning_rate'"]),
        ({"plans": {}}, ["unknown key 'plans'", "did you mean 'plan'"]),
        ({"plan": {"tasks": {"knowledge_mask": {"steps": 3}}}}, ["knowledge_mask", "'knowledge_masking'"]),
        (
            {"plan": {"tasks": {"knowledge_masking": {"steps": 3, "options": {"unit": {"basic": 1}}}}}},
            ["plan.tasks.knowledge_masking.options", "unknown key 'unit'", "'units'"],
        ),
        ({"model": {"config": "no.json"}}, ["no.json", "not found"]),
        ({"data": {"shards": str(tmp_path)}}, ["vocab.txt", "not found"]),
        ({"plan": masking, "train": {"batch_tokens": 9, "learning_rate": {"peak": "fast"}}}, ["learning_rate.peak"]),
        ({"train": {"batch_tokens": 99, "learning_rate": {"peak": float("inf")}}}, ["learning_rate.peak", "finite"]),
        ({"plan": masking, "train": {"batch_tokens": 9, "learning_rate": learning_rate}}, ["batch_tokens 9", "tokens"]),
        ({"plan": {"tasks": {"knowledge_masking": {"steps": 0}}}}, ["knowledge_masking", "no steps"]),
        ({"plan": {"tasks": {"knowledge_masking": {"steps": 10**21}}}}, ["steps", "at most 1,000,000,000"]),
        ({"plan": {**masking, "auxiliary_tasks": ["knowledge_masking"] * 2}}, ["'knowledge_masking' occurs twice"]),
        ({"model": {"config": str(narrow)}, "plan": distance}, ["'sentence_distance'", "the task id is 4"]),
    ):
        assert_user_error(*run("pretrain", write_plan(**sections), "--out", out), *words)
        assert left_in(out) == []
    assert_user_error(*run("pretrain", tmp_path / "no.yaml", "--out", out), "no.yaml", "not found")
    plan = write_plan()
    assert_user_error(*run("pretrain", plan, "--out", out, "--set", "train.seed"), "train.seed", "key=value")


def test_shards_that_do_not_fit(run: Run, write_plan: Callable[..., Path], tmp_path: Path, toy_shards: Path) -> None:
    shards, out = tmp_path / "shards", tmp_path / "run"
    shutil.copytree(toy_shards, shards)
    plan = write_plan(data={"shards": str(shards)})
    file = shards / "sentence_distance" / "train" / "shard-00001.arrow"

    manifest = Manifest.load(shards / "sentence_distance")
    *others, label = manifest.columns
    columns = [*others, replace(label, labels=("near", "far"))]
    replace(manifest, columns=columns).save(shards / "sentence_distance")
    assert_user_error(*run("pretrain", plan, "--out", out), "sentence_distance", "classes near, far", "adjacent")
    manifest.save(shards / "sentence_distance")
    os.truncate(file, file.stat().st_size - 100)
    assert_user_error(*run("pretrain", plan, "--out", out), "sentence_distance/train/shard-00001.arrow", "build it")
    file.unlink()
    assert_user_error(*run("pretrain", plan, "--out", out), "shard-00001.arrow", "missing")
    (shards / "sentence_distance" / "manifest.json").write_text('{"format_version": 1}')
    assert_user_error(*run("pretrain", plan, "--out", out), "manifest.json", "build")
    shutil.rmtree(shards / "sentence_distance")
    assert_user_error(*run("pretrain", plan, "--out", out), "sentence_distance not found", "build the samples")
    shutil.copytree(toy_shards / "sentence_distance", shards / "sentence_distance")

    other = Vocabulary({token: i for i, token in enumerate(["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "x"])})
    other.save(shards / "vocab.txt")
    assert_user_error(*run("pretrain", plan, "--out", out), "another vocabulary", "60 entries", "has 6")
    small = write_toy_model(tmp_path / "small.json", 50)
    assert_user_error(*run("pretrain", write_plan(model={"config": str(small)}), "--out", out), "vocab_size 50", "60")
    short = write_toy_model(tmp_path / "short.json", 64, max_position_embeddings=16)
    plan = write_plan(model={"config": str(short)})
    assert_user_error(*run("pretrain", plan, "--out", out), "max_position_embeddings is 16", "32 tokens")
    assert left_in(out) == []


def test_checkpoints_that_do_not_fit(run: Run, write_plan: Callable[..., Path], tmp_path: Path) -> None:
    plan = write_plan(plan={"tasks": {"knowledge_masking": {"steps": 4}}}, impl={"save_steps": 2})
    out = tmp_path / "run"
    assert run("pretrain", plan, "--out", out)[0] == 0
    assert_user_error(*run("pretrain", plan, "--out", out), "holds checkpoints", "--resume")

    wider = write_toy_model(tmp_path / "wider.json", 64, hidden_size=32, num_hidden_layers=2)
    override = f"model.config={wider}"
    assert_user_error(*run("pretrain", plan, "--out", out, "--resume", "--set", override), "model.hidden_size was 16")
    target = tmp_path / "other"
    assert_user_error(
        *run("pretrain", plan, "--out", target, "--init", out, "--set", override),
        "tensors differ in shape",
        "[64]",
        "[128]",
    )
    assert_user_error(*run("pretrain", plan, "--out", target, "--init", tmp_path / "no"), "neither a model")
    assert_user_error(*run("pretrain", plan, "--out", target, "--resume"), "no complete checkpoint", "--resume auto")
    assert left_in(target) == []
    code, stderr = run("pretrain", plan, "--out", out, "--resume")
    assert code == 0 and "step_4: the run is finished" in stderr
    with locked_folder(out):
        assert_user_error(*run("pretrain", plan, "--out", out, "--resume"), "another process is at work here")

    newest = out / "step_4" / "model.safetensors"
    before = newest.read_bytes()
    os.truncate(newest, len(before) // 2)
    code, stderr = run("pretrain", plan, "--out", out, "--resume")
    assert code == 0
    assert "step_4: skipped; " in stderr and "model.safetensors: damaged" in stderr and "resuming from" in stderr
    assert newest.read_bytes() == before


# ---- fine-tuning, export, prediction ----


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ["train.tsv", "not found"]),
        ("", ["train.tsv", "empty file"]),
        ("text_a\tlabel\n", ["train.tsv", "no rows"]),
        ("text\tlabel\nw1\tno\n", ["line 1", "no column 'text_a'", "did you mean 'text'"]),
        ("text_a\tlabel\nw1\tno\nw2\n", ["line 3", "1 fields", "2"]),
        ("text_a\tlabel\nw1\tnope\n", ["line 2", "label 'nope'", "did you mean 'no'"]),
    ],
)
def test_labelled_files_with_mistakes(
    run: Run, toy_pretrained: Path, tmp_path: Path, text: str | None, words: list[str]
) -> None:
    data = tmp_path / "train.tsv"
    if text is not None:
        data.write_text(text)
    recipe = write_recipe(tmp_path / "recipe.yaml", {"train": data, "dev": data})
    out = tmp_path / "run"
    assert_user_error(*run("finetune", recipe, "--model", toy_pretrained, "--out", out), *words)
    assert left_in(out) == []


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("signature.task_id=99", ["the task id is 99", "rows 0 to 15"]),
        ("epochs=100000000000", ["epochs", "at most 100,000"]),
        ("train.seed=yes", ["seed", "boolean", "expected a number"]),
        ("submission={dev: ../../x}", ["submission.dev", "'../../x'"]),
        ("data.dev={../x: dev.tsv}", ["data", "'../x'"]),
        ("data.train=[]", ["data", "train"]),
    ],
)
def test_recipes_with_mistakes(run: Run, toy_pretrained: Path, tmp_path: Path, override: str, words: list[str]) -> None:
    (data := tmp_path / "train.tsv").write_text("text_a\tlabel\nw1\tno\nw2\tyes\n")
    recipe, out = write_recipe(tmp_path / "recipe.yaml", {"train": data, "dev": data}), tmp_path / "run"
    assert_user_error(*run("finetune", recipe, "--model", toy_pretrained, "--out", out, "--set", override), *words)
    assert left_in(out) == []


def test_exporting_and_predicting_with_the_wrong_folder(run: Run, toy_pretrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "export"
    model = tmp_path / "model"
    shutil.copytree(toy_pretrained / "step_2", model)
    signature = {"task": "classification", "labels": LABELS, "max_length": 16, "data": {}}
    (model / "signature.json").write_text(json.dumps(signature))
    assert_user_error(*run("export", model, "--out", out), "lacks", "cls_out")
    assert left_in(out) == [] and not out.exists()
    assert_user_error(*run("predict", model, "--input", model / "vocab.txt"), "lacks", "cls_out")
    assert_user_error(*run("report", tmp_path, "--out", tmp_path / "page.html"), str(tmp_path))
    assert not (tmp_path / "page.html").exists()
