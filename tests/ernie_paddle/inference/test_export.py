"""Exports in every format compute what the model computes; what cannot be exported leaves nothing behind."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Run, assert_user_error, read_exports_back_here
from safetensors.numpy import load_file
from weights_support import FINETUNED, finetuned_model, random_model

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import FinetuningTask
from ernie_paddle.inference import export as export_module
from ernie_paddle.inference.backends import OnnxBackend, inference_program, open_backend
from ernie_paddle.inference.export import Exported, TargetFormat, export, random_feed
from ernie_paddle.inference.exported import load_export, read_record
from ernie_paddle.inference.heads import TaskHead, masked_lm_head
from ernie_paddle.model.saved import Model, save_model
from ernie_paddle.registry import load_plugins
from ernie_paddle.task import SentenceClassificationObjective

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

FORMATS: tuple[TargetFormat, ...] = ("paddle", "onnx", "bert")
ENCODERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "relu": {"hidden_act": "relu"},
    "task_embedding": {"use_task_id": True},
    "unknown_head": {"heads": {"cls_out": 3}},
    "513_positions": {"max_position_embeddings": 513, "layer_norm_epsilon": 1e-12},
}

Export = Callable[..., Exported]


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """A function that exports a model to `tmp_path / "out"`; the check of what was written runs in this process."""
    read_exports_back_here(monkeypatch)

    def exported(model: Model, *options: Any) -> Exported:
        for name in ("model", "out"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        (tmp_path / "model").mkdir()
        save_model(tmp_path / "model", model)
        return export(tmp_path / "model", tmp_path / "out", load_plugins(), *options)

    return exported


def with_task_id(model: Model, task_id: int) -> Model:
    """Return a fine-tuned model with a random task embedding."""
    assert model.signature
    table = np.random.default_rng(7).normal(0, 1, (5, model.config.hidden_size)).astype(np.float32)
    return replace(
        model,
        config=model.config.model_copy(update={"use_task_id": True}),
        parameters={**model.parameters, "task_embedding": table},
        signature=model.signature.model_copy(update={"task_id": task_id}),
    )


# ---- all formats ----


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("task", FINETUNED)
def test_a_fine_tuned_model_computes_the_same_in_every_format(
    exported: Export, task: str, format: TargetFormat
) -> None:
    assert exported(with_task_id(finetuned_model(task), 3), format).difference <= 1e-5


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("settings", ENCODERS.values(), ids=ENCODERS)
def test_an_encoder_computes_the_same_in_every_format(
    exported: Export, settings: dict[str, Any], format: TargetFormat
) -> None:
    assert exported(random_model(**settings), format).difference <= 1e-5


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "parameter", ["encoder_layer_1_ffn_fc_0.b_0", "pos_embedding", "task_embedding", "cls_out.b_0"]
)
def test_outputs_of_other_parameters_are_noticed_and_nothing_is_left(
    exported: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: TargetFormat, parameter: str
) -> None:
    """What is written differs from the model in one number."""
    write, run = export_module.FORMATS[format]
    model = with_task_id(finetuned_model("classification"), 3)
    changed = {**model.parameters, parameter: model.parameters[parameter].copy()}
    changed[parameter][..., 0] += 0.01

    def write_another(folder: Path, source: export_module.ExportSource) -> list[str]:
        other = replace(source.model, parameters=changed)
        program = export_module.inference_program(other, source.head, "other")
        return write(folder, replace(source, model=other, program=program))

    monkeypatch.setitem(export_module.FORMATS, format, (write_another, run))
    with pytest.raises(UserError, match="out: not written, the exported model's outputs differ by"):
        exported(model, format)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_description_says_what_goes_in_and_comes_out(exported: Export, tmp_path: Path) -> None:
    for format in ("paddle", "onnx"):
        exported(finetuned_model("classification"), format)
        record = read_record(tmp_path / "out")
        assert (record.format, record.precision, record.outputs, record.max_length) == (format, "fp32", ("scores",), 12)
        assert record.inputs == {"input_ids": "int64", "sentence_ids": "int64"}
        exported(random_model(), format)
        record = read_record(tmp_path / "out")
        assert record.outputs == ("tokens", "pooled") and record.max_length == 16
        assert load_export(tmp_path / "out").signature is None


def test_the_words_that_exports_are_compared_on_are_padded_ordinary_ones() -> None:
    vocabulary = random_model().vocabulary
    feed = random_feed(vocabulary, [5, 2])
    assert (feed["input_ids"] == vocabulary.pad_id).tolist() == [[False] * 5, [False] * 2 + [True] * 3]
    assert np.isin(feed["input_ids"][0], vocabulary.ordinary_ids).all()
    assert feed["sentence_ids"].tolist() == [[0, 0, 0, 1, 1], [0, 1, 0, 0, 0]]


# ---- ONNX ----


@pytest.mark.parametrize("shape", [(1, 1), (1, 16), (5, 7), (3, 2)])
@pytest.mark.parametrize("threads", [1, 2])
def test_an_onnx_file_takes_any_number_of_rows_and_tokens(
    exported: Export, tmp_path: Path, shape: tuple[int, int], threads: int
) -> None:
    model = finetuned_model("sequence_labelling")
    exported(model, "onnx")
    rows, length = shape
    feed = random_feed(model.vocabulary, [length, *[max(1, length // 2)] * (rows - 1)])
    head = TaskHead(load_plugins().finetuning_tasks.get("sequence_labelling").objective(model.signature))
    (found,), (expected,) = (
        OnnxBackend(tmp_path / "out", threads).run(feed),
        inference_program(model, head, "").run(feed),
    )
    assert found.shape == expected.shape == (*shape, 3) and found.dtype == np.float32
    is_token = feed["input_ids"] != model.vocabulary.pad_id
    np.testing.assert_allclose(found[is_token], expected[is_token], atol=1e-5)


@pytest.mark.parametrize("act", ["gelu", "relu"])
def test_the_masked_lm_is_the_same_in_onnx(tmp_path: Path, act: str) -> None:
    from ernie_paddle.inference import export_onnx

    model = random_model(hidden_act=act, use_task_id=True)
    head, feed = masked_lm_head(model.parameters, ""), random_feed(model.vocabulary, [9, 4])
    feed["input_ids"][[0, 0, 1], [2, 8, 1]] = model.vocabulary.mask_id
    export_onnx.write(tmp_path / "model.onnx", model, head)
    (found,), (expected,) = OnnxBackend(tmp_path).run(feed), inference_program(model, head, "").run(feed)
    assert found.shape == (3, model.config.vocab_size)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_onnx_file_has_operators_of_the_standard_alone(exported: Export, tmp_path: Path) -> None:
    """So runtimes other than onnxruntime read it, and its sizes are named, not fixed."""
    import onnx

    exported(finetuned_model("classification"), "onnx")
    model = onnx.load(tmp_path / "out" / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
    for given in model.graph.input:
        assert [dimension.dim_param for dimension in given.type.tensor_type.shape.dim] == ["rows", "length"]


class Sigmoid(SentenceClassificationObjective):
    def prediction_scores(self, logits: Any) -> Any:
        return logits.sigmoid()


def test_a_head_of_unknown_operators_is_named(
    exported: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = TaskHead(Sigmoid(("a", "b", "c"), "cls_out"))
    monkeypatch.setattr(export_module, "head_of", lambda model, registry: head)
    with pytest.raises(UserError, match=r"--format onnx: the model's head calls sigmoid\(\)"):
        exported(finetuned_model("classification"), "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_parameters_that_a_file_cannot_hold_are_refused(exported: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    from ernie_paddle.inference import export_onnx

    size = sum(value.nbytes for value in finetuned_model("classification").parameters.values())
    monkeypatch.setattr(export_onnx, "LARGEST_FILE", size // 2)
    with pytest.raises(UserError, match=r"--format onnx: 0\.0 GB of parameters, an ONNX file holds 2 GB"):
        exported(finetuned_model("classification"), "onnx")


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_libraries_one_line_says_how_to_install_them(
    exported: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    exported(finetuned_model("classification"), "onnx")
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "ernie_paddle.inference.export_onnx")
    monkeypatch.delattr("ernie_paddle.inference.export_onnx")
    if missing == "onnxruntime":
        with pytest.raises(UserError, match=r"needs onnxruntime: pip install 'ernie-paddle\[onnx\]'"):
            open_backend(tmp_path / "out")
    with pytest.raises(UserError, match=rf"{missing} is not installed: pip install 'ernie-paddle\[onnx\]'"):
        exported(finetuned_model("classification"), "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_onnx_file_is_not_run_in_bf16(exported: Export, tmp_path: Path) -> None:
    exported(finetuned_model("classification"), "onnx")
    with pytest.raises(UserError, match="holds an ONNX file; bf16 needs"):
        open_backend(tmp_path / "out", precision="bf16")


# ---- int8 ----


def test_int8_is_smaller_and_told_by_its_scores_on_dev(exported: Export, tmp_path: Path) -> None:
    """The scores are recounted from what the export returns."""
    model = finetuned_model("classification")
    assert model.signature
    rows = [
        "".join(f"w{(i * k) % 30} " for k in range(1, 9)) + f"\t{'bad fair good'.split()[i % 3]}" for i in range(40)
    ]
    (tmp_path / "dev.tsv").write_text("\n".join(["text_a\tlabel", *rows]) + "\n")
    kept = {"data": {"dev": str(tmp_path / "dev.tsv")}, "metric": "accuracy"}
    model = replace(model, signature=model.signature.model_copy(update=kept))
    exported(model, "onnx", "fp32")
    size = (tmp_path / "out" / "model.onnx").stat().st_size
    found = exported(model, "onnx", "int8")
    assert 1e-5 < found.difference < 0.05
    assert (tmp_path / "out" / "model.onnx").stat().st_size < 0.8 * size
    assert read_record(tmp_path / "out").precision == "int8" and load_export(tmp_path / "out")
    task: FinetuningTask = load_plugins().finetuning_tasks.get("classification")
    examples = task.read(kept["data"], "dev", model.signature)[0].examples
    values = []
    for backend in (
        inference_program(model, TaskHead(task.objective(model.signature)), ""),
        open_backend(tmp_path / "out"),
    ):
        blocks = [task.encode([example], model.vocabulary, model.signature).samples.columns for example in examples]
        feeds = [
            {name: block[name][None].astype(np.int64) for name in ("input_ids", "sentence_ids")} for block in blocks
        ]
        right = [int(backend.run(feed)[0].argmax()) == i % 3 for i, feed in enumerate(feeds)]
        values.append(f"accuracy {100 * sum(right) / 40:.2f}")
    assert found.notes == (f"dev: {values[0]} in fp32, {values[1]} in int8",)


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (None, "the model was not fine-tuned with a recipe"),
        ({"metric": None}, "the model was not fine-tuned with a recipe"),
        ({"metric": "accuracy", "data": {"dev": "nowhere.tsv"}}, "nowhere.tsv"),
    ],
)
def test_int8_without_a_dev_set_says_that_it_was_not_scored(
    exported: Export, kept: dict[str, Any] | None, reason: str
) -> None:
    model = finetuned_model("classification") if kept else random_model()
    if kept and model.signature:
        model = replace(model, signature=model.signature.model_copy(update=kept))
    (note,) = exported(model, "onnx", "int8").notes
    assert note.startswith("scores were not compared: ") and reason in note


@pytest.mark.parametrize("format", ["paddle", "bert"])
def test_int8_is_refused_in_other_formats(run: Run, tmp_path: Path, format: str) -> None:
    code, stderr = run("export", tmp_path, "--out", tmp_path / "out", "--format", format, "--precision", "int8")
    assert_user_error(code, stderr, f"--precision int8: not for the format {format}; use --format onnx")


# ---- BERT ----


def test_a_model_without_its_task_embedding_has_its_row_in_all_positions() -> None:
    model = with_task_id(finetuned_model("classification"), 3)
    plain = model.without_task_embedding()
    assert not plain.config.use_task_id and "task_embedding" not in plain.parameters
    expected = model.parameters["pos_embedding"] + model.parameters["task_embedding"][3]
    np.testing.assert_array_equal(plain.parameters["pos_embedding"], expected)
    assert plain.without_task_embedding() is plain


@pytest.mark.parametrize("task", FINETUNED)
def test_a_plain_bert_has_the_classes_and_names_of_bert(exported: Export, tmp_path: Path, task: str) -> None:
    exported(with_task_id(finetuned_model(task), 1), "bert")
    tree, tensors = (
        json.loads((tmp_path / "out" / "config.json").read_text()),
        load_file(tmp_path / "out/model.safetensors"),
    )
    assert tree["model_type"] == "bert" and tree["architectures"][0].startswith("BertFor")
    assert not {"use_task_id", "task_type_vocab_size"} & tree.keys()
    assert {name.partition(".")[0] for name in tensors} in ({"bert", "classifier"}, {"bert", "qa_outputs"})
    assert "bert.embeddings.task_type_embeddings.weight" not in tensors
    assert not (tmp_path / "out" / "modules.json").exists()


def test_an_encoder_as_bert_tells_sentence_transformers_to_take_the_mean(exported: Export, tmp_path: Path) -> None:
    found = exported(random_model(max_position_embeddings=513), "bert")
    out = tmp_path / "out"
    assert found.notes == ()
    assert [module["path"] for module in json.loads((out / "modules.json").read_text())] == ["", "1_Pooling"]
    pooling = json.loads((out / "1_Pooling" / "config.json").read_text())
    assert {name for name, value in pooling.items() if value is True} == {"pooling_mode_mean_tokens"}
    assert pooling["word_embedding_dimension"] == 24
    assert json.loads((out / "sentence_bert_config.json").read_text())["max_seq_length"] == 513
    assert json.loads((out / "config.json").read_text())["architectures"] == ["BertForMaskedLM"]


def test_a_pooler_that_other_libraries_would_make_up_is_said(exported: Export) -> None:
    model = random_model()
    parameters = {name: value for name, value in model.parameters.items() if not name.startswith("pooled_fc")}
    assert any("has no pooler" in note for note in exported(replace(model, parameters=parameters), "bert").notes)


def test_a_head_without_a_class_of_bert_is_named(
    exported: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.finetuning.classification.Classification.model_class", None)
    with pytest.raises(UserError, match="--format bert: no class of BERT has the head of classification"):
        exported(finetuned_model("classification"), "bert")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
