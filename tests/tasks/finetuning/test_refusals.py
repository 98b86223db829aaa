"""What a task or a metric would refuse at scoring is refused before training, on one line that says what to do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finetuning_support import write_recipe
from helpers import Run, assert_user_error

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Signature
from ernie_paddle.registry import Registry, load_plugins

TABLE = "text_a\tlabel\nw1\tno\nw2\tyes\n"
SCORES = "text_a\tlabel\nw1\t1.5\nw2\t3\n"
TAGGED = "text_a\tlabel\nw1\x02w2\tB-X\x02E-X\n"
BIOES = ["B-X", "I-X", "E-X", "S-X", "O"]
TAGS: dict[str, Any] = {"metric": "entity_f1", "data": {"reading": {"format": "tagged_rows"}}}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


def signature_of(task: str, labels: list[str] | None) -> dict[str, Any]:
    return {"task": task, "max_length": 16, **({"labels": labels} if labels else {})}


CLASSES, NUMBERS = signature_of("classification", ["no", "yes"]), signature_of("regression", None)


@pytest.mark.parametrize(
    ("text", "signature", "keys", "words"),
    [
        (
            TAGGED,
            signature_of("sequence_labelling", ["NN", "VV"]),
            TAGS,
            ["signature.labels", "'NN' is not an entity tag"],
        ),
        (
            TAGGED,
            signature_of("sequence_labelling", ["I-X", "E-X", "O"]),
            TAGS,
            ["no tag marks the beginning of an entity"],
        ),
        (
            TAGGED,
            signature_of("sequence_labelling", BIOES),
            {**TAGS, "metric_options": {"scheme": "iob2"}},
            ["signature.labels", "'E-X' is not in the scheme iob2", "bioes"],
        ),
        (
            TAGGED,
            signature_of("sequence_labelling", BIOES),
            {**TAGS, "metric_options": {"scheme": "bieos"}},
            ["metric_options", "unknown scheme 'bieos'", "did you mean 'bioes'"],
        ),
        (TAGGED, signature_of("sequence_labelling", BIOES), {**TAGS, "metric": "accuracy"}, ["predicts tags"]),
        (TABLE, signature_of("sequence_labelling", BIOES), {"metric": "entity_f1"}, ["data.reading.format", "'tsv'"]),
        (TAGGED, signature_of("sequence_labelling", None), TAGS, ["signature.labels", "needs the names"]),
        (TABLE, signature_of("classification", None), {}, ["signature.labels", "needs the names"]),
        (TABLE, signature_of("classification", ["no", "yes", "no"]), {}, ["signature.labels", "'no' occurs twice"]),
        (SCORES, signature_of("regression", ["0", "5"]), {"metric": "pearson_and_spearman"}, ["has no classes"]),
        (SCORES, NUMBERS, {"metric": "accuracy"}, ["'accuracy' scores labels", "regression predicts numbers"]),
        (SCORES, NUMBERS, {"metric": "mrr"}, ["'mrr' scores relevance"]),
        (SCORES, signature_of("cloze", None), {}, ["cloze cannot read 'tsv'", "known: chid"]),
        (TABLE, CLASSES, {"metric": "f1", "metric_options": {"positive": "ja"}}, ["metric_options.positive", "'yes'"]),
        (TABLE, CLASSES, {"metric": "f1", "metric_options": {"positive": 1}}, ["1 is not among", "'no', 'yes'"]),
        (TABLE, CLASSES, {"metric": "f1", "metric_options": {"positiv": "no"}}, ["did you mean 'positive'"]),
        (TABLE, CLASSES, {"metric": "mrr"}, ["data.tsv line 2", "'mrr' ranks", "has no 'group'", "data.reading"]),
        (TABLE, CLASSES, {"metric": "accuracy_f1_and_mrr"}, ["data.tsv line 2", "ranks the candidates"]),
        (TABLE, CLASSES, {"metric": "mrr", "metric_options": {"queries": "a"}}, ["unknown option 'queries'"]),
        (TABLE, CLASSES, {"data": {"labelled": ["dev"]}}, ["data.labelled", "training needs labels"]),
    ],
)
def test_before_the_first_step(
    run: Run,
    toy_pretrained: Path,
    tmp_path: Path,
    text: str,
    signature: dict[str, Any],
    keys: dict[str, Any],
    words: list[str],
) -> None:
    data = tmp_path / "data.tsv"
    data.write_text(text)
    sections = {**keys, "signature": signature, "data": {"train": str(data), "dev": str(data), **keys.get("data", {})}}
    recipe = write_recipe(tmp_path / "recipe.yaml", {}, **sections)
    out = tmp_path / "run"
    assert_user_error(*run("finetune", recipe, "--model", toy_pretrained, "--out", out), *words)
    assert not (out / "log.jsonl").exists()


@pytest.mark.parametrize(
    ("task", "metric", "options", "words"),
    [
        ("reading_comprehension", "em_and_f1", {"language": "cn"}, "metric_options: .*unknown language 'cn'"),
        ("reading_comprehension", "em_and_f1", {}, "metric_options: .*option 'language' is missing"),
        ("reading_comprehension", "accuracy", {}, "predicts texts"),
        ("multiple_choice", "f1", {"positive": 1}, "multiple_choice has no labels"),
        ("pronoun_resolution", "mrr", {}, "'mrr' scores relevance"),
    ],
)
def test_by_the_recipe_alone(registry: Registry, task: str, metric: str, options: dict[str, Any], words: str) -> None:
    finetuning_task = registry.finetuning_tasks.get(task)
    signature = Signature(task=task, max_length=16, labels=("no", "yes") if finetuning_task.has_labels else None)
    with pytest.raises(UserError, match=words):
        finetuning_task.check_metric(registry.metrics.get(metric), options, signature)


@pytest.mark.parametrize(
    ("task", "enough", "words"),
    [
        ("reading_comprehension", 64 + 128 + 3, "signature.options.stride 128: more than the 127 tokens"),
        ("multiple_choice", 5, "max_length 4: multiple_choice needs 5"),
        ("cloze", 8, "max_length 7: cloze needs 8"),
    ],
)
def test_samples_too_short_for_a_task(registry: Registry, task: str, enough: int, words: str) -> None:
    registry.finetuning_tasks.get(task).check_signature(Signature(task=task, max_length=enough))
    with pytest.raises(UserError, match=words):
        registry.finetuning_tasks.get(task).check_signature(Signature(task=task, max_length=enough - 1))


@pytest.mark.parametrize(
    ("tags", "labels"),
    [
        ("B-X\x02E-X\x02S-X", BIOES),
        ("B-X\x02L-X\x02U-X", ["B-X", "L-X", "U-X"]),
        ("O\x02I-X\x02B-X", ["B-X", "I-X", "O"]),
    ],
)
def test_every_scheme_trains_and_is_scored(
    run: Run, toy_pretrained: Path, tmp_path: Path, tags: str, labels: list[str]
) -> None:
    data = tmp_path / "data.tsv"
    data.write_text(f"text_a\tlabel\nw1\x02w2\x02w3\t{tags}\n")
    sections = {**TAGS, "signature": signature_of("sequence_labelling", labels), "epochs": 1}
    files = {"train": str(data), "dev": str(data), **TAGS["data"]}
    recipe = write_recipe(tmp_path / "recipe.yaml", {}, **{**sections, "data": files})
    code, stderr = run("finetune", recipe, "--model", toy_pretrained, "--out", tmp_path / "run")
    assert code == 0, stderr
    scores = json.loads((tmp_path / "run" / "result.json").read_text())["sets"]["dev"]
    assert scores["selection_metric"] == "f1" and "f1_strict" in scores["values"]


def test_every_task_and_metric_that_fit_are_let_through(registry: Registry) -> None:
    options: Callable[[str], dict[str, Any]] = {"em_and_f1": {"language": "zh"}}.get  # type: ignore[assignment]
    fitting = {
        (finetuning_task.name, metric.name)
        for finetuning_task in registry.finetuning_tasks
        for metric in registry.metrics
        if metric.input_type in finetuning_task.prediction_types
        and ("positive" not in metric.options or finetuning_task.has_labels)
    }
    assert {name for _, name in fitting} == set(registry.metrics.names())
    for task, metric in fitting:
        finetuning_task = registry.finetuning_tasks.get(task)
        labels = ("B-X", "I-X", "O") if task == "sequence_labelling" else ("no", "yes")
        signature = Signature(task=task, max_length=256, labels=labels if finetuning_task.has_labels else None)
        finetuning_task.check_signature(signature)
        finetuning_task.check_metric(registry.metrics.get(metric), options(metric) or {}, signature)
