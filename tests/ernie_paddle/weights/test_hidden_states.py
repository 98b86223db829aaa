"""Converted models give the same outputs in PaddleNLP and in our program, in both directions."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs_support import hidden_states
from weights_support import FINETUNED, SIZES, finetuned_model, random_model, read_model, write_inputs, write_model

from ernie_paddle.inference.heads import TaskHead
from ernie_paddle.model.saved import Model, load_model
from ernie_paddle.programs.inference_program import InferenceProgram
from ernie_paddle.registry import load_plugins
from ernie_paddle.weights import bert
from ernie_paddle.weights.conversion import LAYOUTS, read_source, recognise

SMALL_BERT = os.environ.get("ERNIE_SMALL_BERT")
PROGRAM = Path(__file__).parents[2] / "support" / "paddlenlp_models.py"
SHAPE: dict[str, Any] = {**SIZES, "type_vocab_size": 4}
MADE = {
    "relu": ("ErnieForMaskedLM", {**SHAPE, "hidden_act": "relu"}, 0),
    "gelu_task_ids": ("ErnieForPretraining", {**SHAPE, "use_task_id": True}, 3),
    "base_only": ("ErnieModel", {**SHAPE, "use_task_id": True, "hidden_act": "relu"}, 1),
    "bert": (
        "BertForMaskedLM",
        {k: v for k, v in SHAPE.items() if k != "task_type_vocab_size"} | {"layer_norm_eps": 1e-3},
        0,
    ),
}
CLASSES = ("SequenceClassification", "TokenClassification", "QuestionAnswering", "MultipleChoice")
LABELS = {"id2label": {"0": "a", "1": "b", "2": "c"}}
MADE_FINETUNED = {f"{family}For{name}": LABELS for family in ("Ernie", "Bert") for name in CLASSES}
EXPORTED = {
    "relu": ({"hidden_act": "relu"}, 0),
    "gelu_task_ids": ({"use_task_id": True, "heads": {"next_sent_fc": 2}}, 3),
    "classifier": ({"hidden_act": "relu", "heads": {"cls_out": 4}}, 0),
}
TUNED = finetuned_model("classification", use_task_id=True)
PLAIN = {  # as BERT, which has no task embedding
    "plain_encoder": (random_model(use_task_id=True, hidden_act="relu", layer_norm_epsilon=1e-3), "BertModel"),
    "plain_classifier": (
        replace(TUNED, signature=TUNED.signature.model_copy(update={"task_id": 3})),
        "BertForSequenceClassification",
    ),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outputs_of_paddlenlp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which one PaddleNLP process has created its models and loaded ours."""
    folder = tmp_path_factory.mktemp("paddlenlp")
    for name, (kind, sizes, task_id) in MADE.items():
        write_inputs(folder / "make" / name, SHAPE["vocab_size"], 4, task_id)
        (folder / "make" / name / "task.json").write_text(json.dumps({"class": kind, "sizes": sizes}))
    for name, keys in MADE_FINETUNED.items():
        write_inputs(folder / "make" / name, SHAPE["vocab_size"], 4)
        sizes = {key: value for key, value in SHAPE.items() if key != "task_type_vocab_size"} | keys
        (folder / "make" / name / "task.json").write_text(json.dumps({"class": name, "sizes": sizes}))
    for task in FINETUNED:
        write_model("paddlenlp", folder / "load" / task, finetuned_model(task))
        write_inputs(folder / "load" / task, SHAPE["vocab_size"], 4)
    for name, (settings, task_id) in EXPORTED.items():
        write_model("paddlenlp", folder / "load" / name, exported(settings))
        write_inputs(folder / "load" / name, SHAPE["vocab_size"], 4, task_id)
    for name, (model, kind) in PLAIN.items():
        (folder / "load" / name).mkdir()
        bert.write(folder / "load" / name, model, load_plugins())
        write_inputs(folder / "load" / name, SHAPE["vocab_size"], 4, model.task_id)
        (folder / "load" / name / "task.json").write_text(json.dumps({"class": kind}))
    if SMALL_BERT:
        shutil.copytree(SMALL_BERT, folder / "load" / "small_bert")
        write_inputs(folder / "load" / "small_bert", 30522, 2)
        (folder / "load" / "small_bert" / "task.json").write_text(json.dumps({"class": "BertModel"}))
    done = subprocess.run([sys.executable, PROGRAM, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def exported(settings: dict[str, Any]) -> Model:
    return random_model(layer_norm_epsilon=1e-12, **settings)


def of_our_program(model: Model, folder: Path) -> np.ndarray:
    given = np.load(folder / "inputs.npz")
    task_id = int(given["task_id"])
    return hidden_states(model.config, model.parameters, given["input_ids"], given["sentence_ids"], task_id, 0)


def masked_lm_scores(model: Model, hidden: np.ndarray) -> np.ndarray:
    """Return the scores of the masked-LM head, computed in numpy."""
    p = {name: values.astype(np.float64) for name, values in model.parameters.items()}
    x = hidden @ p["mask_lm_trans_fc.w_0"] + p["mask_lm_trans_fc.b_0"]
    x = x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))) if model.config.hidden_act == "gelu" else np.maximum(x, 0)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + model.config.layer_norm_epsilon)
    x = x * p["mask_lm_trans_layer_norm_scale"] + p["mask_lm_trans_layer_norm_bias"]
    return x @ p["word_embedding"].T + p["mask_lm_out_fc.b_0"]


def assert_same(model: Model, folder: Path, tolerance: float = 1e-5) -> None:
    """Compare hidden states and masked-LM scores, except at padding, whose embedding is zero in PaddleNLP."""
    answered = np.load(folder / "outputs.npz")
    words = np.load(folder / "inputs.npz")["input_ids"] != 0
    hidden = of_our_program(model, folder)
    assert np.abs(answered["hidden"][words]).mean() > 0.05
    np.testing.assert_allclose(hidden[words], answered["hidden"][words], atol=tolerance, rtol=0)
    if "scores" in answered:
        scores = masked_lm_scores(model, hidden[words])
        np.testing.assert_allclose(scores, answered["scores"][words], atol=5 * tolerance, rtol=0)


@pytest.mark.parametrize("name", MADE)
def test_a_model_of_paddlenlp_computes_the_same_here(outputs_of_paddlenlp: Path, tmp_path: Path, name: str) -> None:
    folder = outputs_of_paddlenlp / "make" / name
    random_model().vocabulary.save(folder / "vocab.txt")
    layout = recognise(folder)
    assert layout.name == "paddlenlp"
    model, report = read_source(layout, folder, None, None, load_plugins())
    report.check()
    write_model("ernie-paddle", tmp_path / "out", model)
    assert_same(load_model(tmp_path / "out"), folder)
    assert ("there is no masked-LM head" in report.notes) == (name == "base_only")
    assert ("next_sent_fc.w_0" in model.parameters) == (name == "gelu_task_ids")


@pytest.mark.parametrize("name", EXPORTED)
def test_a_model_of_ours_computes_the_same_in_paddlenlp(outputs_of_paddlenlp: Path, name: str) -> None:
    assert_same(exported(EXPORTED[name][0]), outputs_of_paddlenlp / "load" / name)


def test_a_plain_bert_computes_in_paddlenlps_bert_what_our_model_computes(outputs_of_paddlenlp: Path) -> None:
    encoder, classifier = (outputs_of_paddlenlp / "load" / name for name in PLAIN)
    model = PLAIN["plain_encoder"][0]
    words = np.load(encoder / "inputs.npz")["input_ids"] != 0
    found, expected = np.load(encoder / "outputs.npz")["hidden"], of_our_program(model, encoder)
    np.testing.assert_allclose(found[words], expected[words], atol=1e-5, rtol=0)
    assert np.abs(of_our_program(model.without_task_embedding(), encoder) - expected).max() < 1e-5
    assert_same_scores(PLAIN["plain_classifier"][0], classifier)


def scores_of(model: Model, folder: Path) -> np.ndarray:
    """Return the scores of our exported model for the inputs in the folder."""
    assert model.signature
    given = np.load(folder / "inputs.npz")
    objective = load_plugins().finetuning_tasks.get(model.signature.task).objective(model.signature)
    program = InferenceProgram(
        model.config, TaskHead(objective), model.signature.task_id, model.vocabulary, model.parameters
    )
    return program.run({name: given[name] for name in ("input_ids", "sentence_ids")})[0]


def assert_same_scores(model: Model, folder: Path) -> None:
    """Compare scores, which here are probabilities if there are classes, except at padding."""
    answered, words = np.load(folder / "outputs.npz")["logits"], np.load(folder / "inputs.npz")["input_ids"] != 0
    if model.signature and model.signature.labels:
        answered = np.exp(answered) / np.exp(answered).sum(-1, keepdims=True)
    chosen = words if answered.ndim == 3 else np.ones(len(words), bool)
    assert answered[chosen].std() > 1e-3
    np.testing.assert_allclose(scores_of(model, folder)[chosen], answered[chosen], atol=1e-5, rtol=0)


@pytest.mark.parametrize("task", FINETUNED)
def test_a_finetuned_model_of_ours_predicts_the_same_in_paddlenlps_class(outputs_of_paddlenlp: Path, task: str) -> None:
    assert_same_scores(finetuned_model(task), outputs_of_paddlenlp / "load" / task)
    assert_same_scores(read_model(outputs_of_paddlenlp / "load" / task)[0], outputs_of_paddlenlp / "load" / task)


@pytest.mark.parametrize("name", MADE_FINETUNED)
def test_a_finetuned_model_of_paddlenlp_predicts_the_same_here(outputs_of_paddlenlp: Path, name: str) -> None:
    folder = outputs_of_paddlenlp / "make" / name
    random_model().vocabulary.save(folder / "vocab.txt")
    model, report = read_model(folder)
    report.check()
    assert model.signature
    assert model.signature.labels == (("a", "b", "c") if "Classification" in name else None)
    assert_same_scores(model, folder)


@pytest.mark.skipif(not SMALL_BERT, reason="ERNIE_SMALL_BERT does not name the folder of a small real BERT")
@pytest.mark.parametrize("layout", ["huggingface", "paddlenlp"])
def test_a_real_english_bert_computes_the_same_here(outputs_of_paddlenlp: Path, tmp_path: Path, layout: str) -> None:
    """It is read from Hugging Face's files and from PaddleNLP's conversion of them."""
    folder = outputs_of_paddlenlp / "load" / "small_bert"
    model, report = read_source(LAYOUTS[layout], folder, None, None, load_plugins())
    report.check()
    assert len(model.parameters) == 103 and model.vocabulary.size == model.config.vocab_size == 30522
    assert report.notes == ["there is no task embedding", "there is no masked-LM head"]
    assert_same(model, folder, 1e-4)
