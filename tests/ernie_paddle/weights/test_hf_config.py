"""`config.json` of both libraries: their defaults, written down here or taken from their own classes."""

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from weights_support import FINETUNED, SIZES, finetuned_model, random_model

from ernie_paddle.errors import UserError
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.registry import load_plugins
from ernie_paddle.weights.hf_config import declared, family, from_model, to_config
from ernie_paddle.weights.names import KnownHeads
from ernie_paddle.weights.paddlenlp import SENTENCE_TYPES

HEADS = KnownHeads.of(load_plugins())
HERE = Path("config.json")
# Of transformers' `ErnieConfig`; `BertConfig` has the same but for the task types, of which it knows nothing.
HUGGING_FACE: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "task_type_vocab_size": 3,
    "use_task_id": False,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
}


def of_paddlenlp(model: str) -> dict[str, Any]:
    """The defaults of PaddleNLP's class of a model, from its source: loading it takes seconds."""
    spec = find_spec("paddlenlp")
    assert spec and spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0]) / "transformers" / model.lower() / "configuration.py"
    tree = ast.parse(path.read_text())
    (init,) = (
        function
        for cls in tree.body
        if isinstance(cls, ast.ClassDef) and cls.name == f"{model}Config"
        for function in cls.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
    )
    names = [argument.arg for argument in init.args.args[1:]]
    return {name: ast.literal_eval(value) for name, value in zip(names, init.args.defaults, strict=True)}


def as_theirs(config: ErnieConfig) -> dict[str, Any]:
    """A configuration of ours under the libraries' keys."""
    tree = config.model_dump()
    return {
        key: tree.get({"type_vocab_size": "sent_type_vocab_size", "layer_norm_eps": "layer_norm_epsilon"}.get(key, key))
        for key in HUGGING_FACE
    }


def test_what_a_configuration_leaves_out_is_as_hugging_face_has_it() -> None:
    assert as_theirs(to_config({}, HERE)) == HUGGING_FACE


@pytest.mark.parametrize("model", ["Ernie", "Bert"])
def test_what_a_configuration_leaves_out_is_as_paddlenlp_has_it(model: str) -> None:
    theirs = {"task_type_vocab_size": 3, "use_task_id": False, **of_paddlenlp(model)}
    found = to_config({}, HERE, sent_type_vocab_size=SENTENCE_TYPES)
    assert as_theirs(found) == {key: theirs[key] for key in HUGGING_FACE}
    assert (theirs["pool_act"], theirs["pad_token_id"]) == ("tanh", 0)


def test_every_key_of_a_configuration_is_taken_before_defaults() -> None:
    """Null stands for a default, as both libraries write it."""
    tree: dict[str, Any] = {
        "vocab_size": 12800,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4097,
        "hidden_act": "relu",
        "hidden_dropout_prob": 0.2,
        "attention_probs_dropout_prob": 0.3,
        "max_position_embeddings": 513,
        "type_vocab_size": 4,
        "task_type_vocab_size": 16,
        "use_task_id": True,
        "initializer_range": 0.05,
        "layer_norm_eps": 1e-5,
    }
    assert as_theirs(to_config(tree, HERE, sent_type_vocab_size=16)) == tree
    assert as_theirs(to_config(dict.fromkeys(tree), HERE)) == HUGGING_FACE


@pytest.mark.parametrize(
    ("key", "value"), [("position_embedding_type", "relative_key"), ("pool_act", "relu"), ("is_decoder", True)]
)
def test_what_the_encoder_does_not_have_is_refused(key: str, value: Any) -> None:
    allowed = {"position_embedding_type": "absolute", "pool_act": "tanh", "is_decoder": False}
    to_config({key: allowed[key]}, HERE)
    with pytest.raises(UserError, match=f"{key} is {value!r}.* has {allowed[key]!r} only"):
        to_config({key: value}, HERE)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"model_type": "ernie"}, "ernie"),
        ({"model_type": "bert", "architectures": ["ErnieModel"]}, "bert"),
        ({"architectures": ["ErnieForMaskedLM"]}, "ernie"),
        ({"architectures": ["BertModel"]}, "bert"),
        ({"init_class": "ErnieForTokenClassification", "architectures": None}, "ernie"),
    ],
)
def test_the_family_is_told_by_type_or_class(tree: dict[str, Any], expected: str) -> None:
    assert family(tree, HERE) == expected


@pytest.mark.parametrize("name", ["RobertaModel", "ErnieMModel", "ErnieLayoutForQuestionAnswering", "AlbertModel", ""])
def test_other_families_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"a model of type '{name}'"):
        family({"architectures": [name]}, HERE)


def test_a_class_tells_its_head_and_labels_stand_in_the_order_of_their_ids() -> None:
    names = {str(number): f"label {number}" for number in (10, *range(10))}  # as texts, 10 stands before 2
    found = declared({"architectures": ["BertForSequenceClassification"], "id2label": names}, HERE)
    assert found.labels == tuple(f"label {number}" for number in range(11))
    assert (found.model_class, found.problem_type, found.head_class) == (
        "SequenceClassification",
        None,
        "SequenceClassification",
    )
    assert declared({"architectures": ["ErnieModel"]}, HERE).model_class == ""
    assert declared({}, HERE).model_class is None
    for told, expected in (("single_label_classification", None), ("regression", "regression")):
        assert declared({"problem_type": told}, HERE).problem_type == expected


@pytest.mark.parametrize(
    "settings",
    [{}, {"intermediate_size": None, "use_task_id": True, "layer_norm_epsilon": 1e-12, "hidden_act": "relu"}],
)
def test_what_is_written_has_every_key_under_the_libraries_names(settings: dict[str, Any]) -> None:
    model = random_model(**settings)
    tree = from_model(model, None, HEADS)
    sizes = {**SIZES, "intermediate_size": SIZES["intermediate_size"] if not settings else 96}  # 4 x hidden
    assert {key: tree[key] for key in sizes} == sizes
    assert (tree["model_type"], tree["pad_token_id"], tree["type_vocab_size"]) == ("ernie", 0, 4)
    assert tree["layer_norm_eps"] == (1e-12 if settings else 1e-5)
    assert (tree["hidden_act"], tree["use_task_id"]) == (("relu", True) if settings else ("gelu", False))
    assert (tree["hidden_dropout_prob"], tree["attention_probs_dropout_prob"], tree["initializer_range"]) == (
        0.1,
        0.1,
        0.02,
    )
    assert "num_labels" not in tree and "id2label" not in tree


def test_heads_of_pre_training_tell_the_class() -> None:
    for heads, name in (({}, "ErnieForMaskedLM"), ({"next_sent_fc": 2}, "ErnieForPreTraining")):
        assert from_model(random_model(heads=heads), None, HEADS)["architectures"] == [name]
    encoder = random_model(heads={"next_sent_fc": 2})
    del encoder.parameters["mask_lm_out_fc.b_0"]
    assert from_model(encoder, None, HEADS)["architectures"] == ["ErnieModel"]


def test_the_pad_id_is_the_vocabularys() -> None:
    model = random_model()
    ids = model.vocabulary.ids
    ids["[PAD]"], ids["w3"] = ids["w3"], ids["[PAD]"]
    moved = type(model)(model.config, type(model.vocabulary)(ids), model.parameters)
    assert from_model(moved, None, HEADS)["pad_token_id"] == ids["[PAD]"] != 0


@pytest.mark.parametrize("task", FINETUNED)
def test_what_is_written_of_a_head_is_read_again(task: str) -> None:
    model_class = load_plugins().finetuning_tasks.get(task).model_class
    found = declared(from_model(finetuned_model(task), model_class, HEADS), HERE)
    assert model_class and found.model_class == model_class.suffix and found.labels == FINETUNED[task].labels
    assert found.problem_type == ("regression" if task == "regression" else None)
