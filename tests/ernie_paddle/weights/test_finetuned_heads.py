"""Fine-tuned models of every task in other libraries' files: round trips of names, classes and labels."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Run, assert_user_error
from safetensors.numpy import load_file
from weights_support import FINETUNED, assert_equal, finetuned_model, random_model, read_model, write_model

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import KeptSignature
from ernie_paddle.model.saved import Model, load_model, save_model
from ernie_paddle.registry import load_plugins
from ernie_paddle.task import SentenceClassificationObjective, Task
from ernie_paddle.weights.lod_tensors import read_tensor
from ernie_paddle.weights.report import TensorStatus

OTHERS = ("release", "paddlenlp", "huggingface")
# From the release's finetune/{classifier,mrc,sequence_label}.py and the documentation of both libraries' classes.
RELEASED = {
    "classification": ("_cls_out_w", "_cls_out_b", [24, 3]),
    "regression": ("_cls_out_w", "_cls_out_b", [24, 1]),
    "sequence_labelling": ("cls_seq_label_out_w", "cls_seq_label_out_b", [24, 3]),
    "reading_comprehension": ("cls_mrc_out_w", "cls_mrc_out_b", [24, 2]),
}
HEAD_IN_HUGGINGFACE = {
    "classification": ("ErnieForSequenceClassification", "classifier", [3, 24]),
    "regression": ("ErnieForSequenceClassification", "classifier", [1, 24]),
    "sequence_labelling": ("ErnieForTokenClassification", "classifier", [3, 24]),
    "reading_comprehension": ("ErnieForQuestionAnswering", "qa_outputs", [2, 24]),
    "multiple_choice": ("ErnieForMultipleChoice", "classifier", [1, 24]),
    "cloze": ("ErnieForMultipleChoice", "classifier", [1, 24]),
    "pronoun_resolution": ("ErnieForSequenceClassification", "classifier", [2, 24]),
}
LABELS_IN_CONFIG: dict[str, dict[str, Any]] = {
    "classification": {
        "id2label": {"0": "bad", "1": "fair", "2": "good"},
        "label2id": {"bad": 0, "fair": 1, "good": 2},
        "num_labels": 3,
    },
    "regression": {"problem_type": "regression", "num_labels": 1},
    "sequence_labelling": {
        "id2label": {"0": "B-LOC", "1": "I-LOC", "2": "O"},
        "label2id": {"B-LOC": 0, "I-LOC": 1, "O": 2},
        "num_labels": 3,
    },
    "reading_comprehension": {"num_labels": 2},
    "multiple_choice": {},
    "cloze": {},
    "pronoun_resolution": {
        "id2label": {"0": "false", "1": "true"},
        "label2id": {"false": 0, "true": 1},
        "num_labels": 2,
    },
}
ABOUT_LABELS = ("id2label", "label2id", "num_labels", "problem_type")


def config_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())


def change_config(folder: Path, **values: Any) -> None:
    tree = {key: value for key, value in (config_of(folder) | values).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(tree))


def written(folder: Path, layout: str, task: str, with_signature: bool = True) -> Model:
    """Write a model that was fine-tuned for this task; return it."""
    model = finetuned_model(task)
    write_model(layout, folder, model)
    if not with_signature:
        (folder / "signature.json").unlink()
    return model


# ---- round trips ----


@pytest.mark.parametrize("layout", OTHERS)
@pytest.mark.parametrize("task", FINETUNED)
def test_every_task_comes_back_with_head_and_signature(tmp_path: Path, task: str, layout: str) -> None:
    model = written(tmp_path / "out", layout, task)
    found, report = read_model(tmp_path / "out")
    assert_equal(found, model)
    assert found.signature == model.signature
    assert not report.with_status(TensorStatus.UNEXPECTED)


@pytest.mark.parametrize("task", RELEASED)
def test_heads_have_the_names_of_the_release(tmp_path: Path, task: str) -> None:
    model = written(tmp_path / "out", "release", task)
    weight, bias, shape = RELEASED[task]
    folder, head = tmp_path / "out" / "params", FINETUNED[task].head
    np.testing.assert_array_equal(read_tensor(folder / weight)[0], model.parameters[f"{head}.w_0"])
    np.testing.assert_array_equal(read_tensor(folder / bias)[0], model.parameters[f"{head}.b_0"])
    assert list(read_tensor(folder / weight)[0].shape) == shape
    assert not list(folder.glob(f"{head}.*"))


@pytest.mark.parametrize("task", FINETUNED)
def test_classes_heads_and_labels_are_those_of_hugging_face(tmp_path: Path, task: str) -> None:
    model = written(tmp_path / "out", "huggingface", task)
    name, head, shape = HEAD_IN_HUGGINGFACE[task]
    tensors, tree = load_file(tmp_path / "out" / "model.safetensors"), config_of(tmp_path / "out")
    assert tree["architectures"] == [name]
    assert {key: tree[key] for key in ABOUT_LABELS if key in tree} == LABELS_IN_CONFIG[task]
    assert list(tensors[f"{head}.weight"].shape) == shape
    np.testing.assert_array_equal(tensors[f"{head}.weight"].T, model.parameters[f"{FINETUNED[task].head}.w_0"])
    assert {other for other in tensors if not other.startswith("ernie.")} == {f"{head}.weight", f"{head}.bias"}


@pytest.mark.parametrize("task", FINETUNED)
def test_classes_heads_and_labels_are_those_of_paddlenlp(tmp_path: Path, task: str) -> None:
    model = written(tmp_path / "out", "paddlenlp", task)
    tensors, tree = pickle.loads((tmp_path / "out" / "model_state.pdparams").read_bytes()), config_of(tmp_path / "out")
    assert tree["architectures"] == [HEAD_IN_HUGGINGFACE[task][0]]
    assert {key: tree[key] for key in ABOUT_LABELS if key in tree} == LABELS_IN_CONFIG[task]
    np.testing.assert_array_equal(tensors["classifier.weight"], model.parameters[f"{FINETUNED[task].head}.w_0"])
    assert {name for name in tensors if not name.startswith("ernie.")} == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("cloze", "no candidate fills two blanks"),
        ("pronoun_resolution", "`_noun_`"),
        ("multiple_choice", "[CLS] text [SEP] question [SEP] choice [SEP]"),
        ("reading_comprehension", "windows of long texts"),
        ("sequence_labelling", "first piece"),
    ],
)
def test_notes_tell_what_the_other_libraries_do_not_do(tmp_path: Path, task: str, words: str) -> None:
    for layout in OTHERS:
        assert [note for note in write_model(layout, tmp_path / layout, finetuned_model(task)) if words in note]
    assert not [note for note in write_model("ernie-paddle", tmp_path / "ours", finetuned_model(task)) if words in note]


@pytest.mark.parametrize("task", FINETUNED)
def test_paddlenlp_has_to_be_told_the_number_of_choices(tmp_path: Path, task: str) -> None:
    notes = write_model("paddlenlp", tmp_path / "out", finetuned_model(task))
    assert any("num_choices=4" in note for note in notes) == (task in ("multiple_choice", "cloze"))


def test_a_task_id_is_said_where_the_model_has_a_task_embedding(tmp_path: Path) -> None:
    model = finetuned_model("classification")
    assert model.signature
    model = replace(model, signature=model.signature.model_copy(update={"task_id": 3}))
    assert not [note for note in write_model("huggingface", tmp_path / "without", model) if "task id" in note]
    model = replace(model, config=model.config.model_copy(update={"use_task_id": True}))
    assert [note for note in write_model("huggingface", tmp_path / "with", model) if "task id 3" in note]
    assert not write_model("ernie-paddle", tmp_path / "ours", model)


# ---- models of the other libraries ----


@pytest.mark.parametrize("layout", ["paddlenlp", "huggingface"])
@pytest.mark.parametrize("family", ["Ernie", "Bert"])
@pytest.mark.parametrize("task", FINETUNED)
def test_the_configuration_alone_tells_task_and_labels(tmp_path: Path, task: str, family: str, layout: str) -> None:
    """For other libraries, cloze is multiple choice and pronoun resolution is classification."""
    model = written(tmp_path / "out", layout, task, with_signature=False)
    name = HEAD_IN_HUGGINGFACE[task][0].replace("Ernie", family)
    change_config(tmp_path / "out", architectures=[name], model_type=family.lower())
    found, report = read_model(tmp_path / "out")
    assert_equal(found, model)
    assert found.signature and model.signature
    known = {"cloze": "multiple_choice", "pronoun_resolution": "classification"}.get(task, task)
    assert (found.signature.task, found.signature.labels) == (known, model.signature.labels)
    assert found.signature.max_length == 16
    assert [note for note in report.notes if known in note and "signature.json" in note]


def test_unnamed_classes_get_the_libraries_placeholders(tmp_path: Path) -> None:
    written(tmp_path / "out", "huggingface", "sequence_labelling", with_signature=False)
    change_config(tmp_path / "out", id2label=None, label2id=None)
    found, report = read_model(tmp_path / "out")
    assert found.signature and found.signature.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert [note for note in report.notes if "give --labels, which the source does not name" in note]


def test_the_longest_input_is_the_tokenizers(tmp_path: Path) -> None:
    for told, expected in ((8, 8), (512, 16), (1e30, 16), (None, 16)):
        folder = tmp_path / str(told)
        written(folder, "huggingface", "classification", with_signature=False)
        (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": told}))
        signature = read_model(folder)[0].signature
        assert signature and signature.max_length == expected


@pytest.mark.parametrize("names", [("_cls_out_w", "_cls_out_b"), ("cls_out_w", "cls_out_b"), ("xnli_cls_out_w",) * 2])
def test_a_classifier_of_the_release_may_have_the_name_of_its_task(tmp_path: Path, names: tuple[str, str]) -> None:
    model = written(tmp_path / "out", "release", "classification", with_signature=False)
    folder = tmp_path / "out" / "params"
    weight, bias = names[0], names[1][:-1] + "b"
    (folder / "_cls_out_w").rename(folder / weight)
    (folder / "_cls_out_b").rename(folder / bias)
    found, _ = read_model(tmp_path / "out")
    assert_equal(found, model)
    assert found.signature and found.signature.task == "classification"


def test_the_label_map_of_the_release_is_written_and_names_the_labels(tmp_path: Path) -> None:
    """It is {label: number}, as for `--label_map_config`; the numbers may be in any order."""
    model = written(tmp_path / "out", "release", "sequence_labelling", with_signature=False)
    path = tmp_path / "out" / "label_map.json"
    assert json.loads(path.read_text()) == {"B-LOC": 0, "I-LOC": 1, "O": 2}
    path.write_text('{"O": 2, "I-LOC": 1, "B-LOC": 0}')
    found, _ = read_model(tmp_path / "out" / "params")
    assert model.signature and found.signature and found.signature.labels == model.signature.labels
    path.unlink()
    nameless, report = read_model(tmp_path / "out")
    assert nameless.signature and nameless.signature.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert [note for note in report.notes if "give --labels, which the source does not name" in note]
    for wrong in ({"O": 0, "B": 0}, {"O": 1, "B": 2}, {"O": "0"}, {"O": True, "B": 0}):
        path.write_text(json.dumps(wrong))
        with pytest.raises(UserError, match=r"label_map\.json: expected labels with the numbers"):
            read_model(tmp_path / "out")


def test_notes_tell_what_the_releases_scripts_do_otherwise(tmp_path: Path) -> None:
    tagger = finetuned_model("sequence_labelling")
    assert not [note for note in write_model("release", tmp_path / "last", tagger) if "last tag" in note]
    assert tagger.signature
    turned = replace(tagger, signature=tagger.signature.model_copy(update={"labels": ("O", "B-LOC", "I-LOC")}))
    assert [
        note for note in write_model("release", tmp_path / "first", turned) if "expected O, here it is I-LOC" in note
    ]
    choices = write_model("release", tmp_path / "choices", finetuned_model("cloze"))
    assert [note for note in choices if "no script for choices" in note]


def test_a_token_level_head_is_not_loaded_as_one_for_sequences(tmp_path: Path) -> None:
    written(tmp_path / "out", "huggingface", "sequence_labelling", with_signature=False)
    found, _ = read_model(tmp_path / "out")
    assert "cls_out.w_0" not in found.parameters and "cls_seq_label_out.w_0" in found.parameters


@pytest.mark.parametrize(
    ("task", "values", "words"),
    [
        ("classification", {"architectures": None}, "nothing tells what cls_out was fine-tuned for"),
        ("classification", {"problem_type": "multi_label_classification"}, "multi_label_classification with 3 outputs"),
        ("regression", {"problem_type": "multi_label_classification"}, "multi_label_classification with 1 outputs"),
        ("classification", {"id2label": {"0": "a", "1": "b"}}, "3 classes, the configuration names a, b"),
        ("classification", {"id2label": {"0": "a", "1": "b", "2": "a"}}, "names a, b, a"),
        ("sequence_labelling", {"architectures": ["ErnieForQuestionAnswering"]}, "3 outputs"),
        ("multiple_choice", {"architectures": ["ErnieForTokenClassification"]}, "1 classes, the configuration names"),
        ("regression", {"architectures": ["ErnieForQuestionAnswering"]}, "1 outputs"),
        ("classification", {"architectures": ["ErnieForMultipleChoice"]}, "3 outputs"),
        ("classification", {"architectures": ["ErnieForImages"]}, "a model for Images has no counterpart"),
    ],
)
def test_a_head_of_unknown_purpose_gets_a_note_and_no_signature(
    tmp_path: Path, task: str, values: dict[str, Any], words: str
) -> None:
    written(tmp_path / "out", "paddlenlp", task, with_signature=False)
    change_config(tmp_path / "out", **values)
    found, report = read_model(tmp_path / "out")
    assert found.signature is None
    assert [note for note in report.notes if words in note], report.notes


def test_a_signature_that_the_configuration_contradicts_is_not_used(tmp_path: Path) -> None:
    """This happens if another library trains the model further, with other labels."""
    written(tmp_path / "out", "huggingface", "classification")
    change_config(tmp_path / "out", id2label={"0": "x", "1": "y", "2": "z"})
    found, report = read_model(tmp_path / "out")
    assert found.signature and found.signature.labels == ("x", "y", "z")
    assert [note for note in report.notes if "signature.json is not used" in note]


def test_the_usual_problem_type_changes_nothing(tmp_path: Path) -> None:
    model = written(tmp_path / "out", "huggingface", "classification")
    change_config(tmp_path / "out", problem_type="single_label_classification")
    assert read_model(tmp_path / "out")[0].signature == model.signature


@pytest.mark.parametrize("names", [["a", "b", "c"], {"first": "a"}, {"0": "a", "2": "c"}])
def test_labels_that_are_not_numbered_are_an_error(tmp_path: Path, names: Any) -> None:
    written(tmp_path / "out", "huggingface", "classification")
    change_config(tmp_path / "out", id2label=names)
    with pytest.raises(UserError, match=r"config\.json: id2label"):
        read_model(tmp_path / "out")


# ---- other parameters, signatures and options ----


def test_heads_of_other_classes_are_not_written_but_named(tmp_path: Path) -> None:
    model = finetuned_model("classification")
    extra = {f"cls_mrc_out.{part}": np.ones((24, 2)[2 - size :], np.float32) for part, size in (("w_0", 2), ("b_0", 1))}
    model.parameters.update(extra)
    (note,) = write_model("huggingface", tmp_path / "out", model)
    assert "not written" in note and all(name in note for name in extra)
    write_model("release", tmp_path / "release", model)
    assert read_model(tmp_path / "release")[0].parameters.keys() == model.parameters.keys()


def test_a_model_without_signature_is_exported_by_its_heads_name(tmp_path: Path) -> None:
    for head, name in (
        ("cls_mrc_out", "ErnieForQuestionAnswering"),
        ("cls_seq_label_out", "ErnieForTokenClassification"),
    ):
        write_model("huggingface", tmp_path / head, random_model(heads={head: 2}))
        assert config_of(tmp_path / head)["architectures"] == [name]


def test_heads_of_registered_tasks_stay_in_our_layout_and_the_releases(tmp_path: Path) -> None:
    """A head of another name is not loaded; the report says so."""
    model = random_model(layer_norm_epsilon=1e-5)
    head = {"mine.w_0": np.ones((24, 5), np.float32), "mine.b_0": np.ones(5, np.float32)}
    with_head = replace(model, parameters={**model.parameters, **head})
    for layout in ("ernie-paddle", "release"):
        write_model(layout, tmp_path / layout, with_head)
        found, report = read_model(tmp_path / layout)
        assert_equal(found, model)
        assert any("no registered task has such a head: mine.b_0, mine.w_0" in note for note in report.notes)
    registry = load_plugins()
    registry.pretraining_tasks.add("mine", Task("mine", 7, SentenceClassificationObjective(None, head="mine")))
    for layout in ("ernie-paddle", "release"):
        found, report = read_model(tmp_path / layout, registry=registry)
        assert_equal(found, with_head)
        assert not any("registered" in note for note in report.notes)


def test_an_unknown_task_is_an_error_of_one_line(run: Run, tmp_path: Path) -> None:
    model = replace(random_model(), signature=KeptSignature(task="clasification", max_length=8, data={}))
    (tmp_path / "mine").mkdir()
    save_model(tmp_path / "mine", model)
    arguments = ("convert", tmp_path / "mine", "--to", "huggingface", "--out", tmp_path / "out")
    assert_user_error(*run(*arguments), "clasification", "classification")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_a_run_has_the_signature_of_its_best_model(tmp_path: Path) -> None:
    model = finetuned_model("classification")
    for folder in ("step_3", "best"):
        (tmp_path / folder).mkdir()
        save_model(tmp_path / folder, model if folder == "best" else replace(model, signature=None))
    (tmp_path / "latest").write_text("step_3\n")
    for path in (tmp_path, tmp_path / "step_3", tmp_path / "best"):
        assert load_model(path).signature == model.signature
    (tmp_path / "other").mkdir()
    save_model(tmp_path / "other", replace(model, signature=None))
    assert load_model(tmp_path / "other").signature is None


def test_labels_and_length_can_be_set(run: Run, tmp_path: Path) -> None:
    written(tmp_path / "theirs", "huggingface", "sequence_labelling", with_signature=False)
    change_config(tmp_path / "theirs", id2label=None, label2id=None)

    def convert(out: str, *options: object) -> tuple[int, str]:
        return run("convert", tmp_path / "theirs", "--out", tmp_path / out, *options)

    assert convert("ours", "--labels", "B-X", "I-X", "O", "--max-length", 9)[0] == 0
    signature = load_model(tmp_path / "ours").signature
    assert signature and (signature.labels, signature.max_length) == (("B-X", "I-X", "O"), 9)
    assert_user_error(*convert("few", "--labels", "B-X", "O"), "2 names", "3 labels")
    assert_user_error(*convert("long", "--max-length", 17), "16 positions")
    assert_user_error(*convert("short", "--max-length", 2), "max_length")
    write_model("huggingface", tmp_path / "encoder", random_model())
    options = ("--out", tmp_path / "none", "--max-length", 9)
    assert_user_error(*run("convert", tmp_path / "encoder", *options), "nothing tells")
    assert {path.name for path in tmp_path.iterdir()} == {"theirs", "ours", "encoder"}
