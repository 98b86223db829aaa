"""The `config.json` of PaddleNLP and Hugging Face for ERNIE and BERT, to and from `ErnieConfig`."""

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.finetuning_task import ModelClass
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.model.saved import Model
from ernie_paddle.weights.layout import DeclaredHead
from ernie_paddle.weights.names import KnownHeads

Family = Literal["ernie", "bert"]
FAMILY = re.compile(r"(ernie|bert)(?:model|for(\w+))?", re.IGNORECASE)  # a type, or a class such as ErnieForMaskedLM
# The libraries' defaults for keys that a file does not set, under our keys.
DEFAULTS: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "sent_type_vocab_size": 2,
    "task_type_vocab_size": 3,
    "use_task_id": False,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-12,
}
ONE_LABEL = "single_label_classification"  # the usual problem type; the libraries set it when they train
MASKED_LM, NEXT_SENTENCE = "mask_lm_out_fc.b_0", "next_sent_fc.b_0"
THEIRS = {"sent_type_vocab_size": "type_vocab_size", "layer_norm_epsilon": "layer_norm_eps"}
ERNIE_ALONE = ("task_type_vocab_size", "use_task_id")  # keys that BERT does not have


def read_tree(path: Path) -> dict[str, Any]:
    """Read the keys of a file. Moves those of the nested `init_args` of old PaddleNLP to the top level."""
    return _flattened(read_json(path, "model configuration"))


def family(tree: dict[str, Any], path: Path) -> str:
    """Return the model's family, `ernie` or `bert`.

    Raises:
        UserError: the file is of another family.
    """
    model_type = tree.get("model_type") or class_name(tree)
    match = FAMILY.fullmatch(str(model_type))
    if not match:
        raise UserError(f"{path}: a model of type '{model_type}'; those of ERNIE 1.0 to 3.0 and BERT can be converted")
    return match[1].lower()


def to_config(tree: dict[str, Any], path: Path, **defaults: Any) -> ErnieConfig:
    """Convert a file's keys to our configuration; `defaults` override `DEFAULTS`.

    Raises:
        UserError: a value is invalid, or our encoder does not support it.
    """
    for key, expected in (("position_embedding_type", "absolute"), ("pool_act", "tanh"), ("is_decoder", False)):
        if tree.get(key, expected) != expected:
            raise UserError(f"{path}: {key} is {tree[key]!r}, this project's encoder has {expected!r} only")
    known = {ours: tree[THEIRS.get(ours, ours)] for ours in DEFAULTS if tree.get(THEIRS.get(ours, ours)) is not None}
    return check_settings(ErnieConfig, {**DEFAULTS, **defaults, **known}, str(path))


def declared(tree: dict[str, Any], path: Path) -> DeclaredHead:
    """Return the head that the file declares.

    Raises:
        UserError: `id2label` does not name the classes 0, 1, ...
    """
    name = class_name(tree)
    match = FAMILY.fullmatch(name)
    model_class = (match[2] or "") if match else name or None
    id2label = tree.get("id2label") or {}
    try:
        labels = {int(key): str(value) for key, value in dict(id2label).items()}
    except (TypeError, ValueError):
        raise UserError(f"{path}: id2label is {id2label!r}, expected names of classes by their numbers") from None
    if sorted(labels) != list(range(len(labels))):
        raise UserError(f"{path}: id2label has the numbers {sorted(labels)}, expected 0 to {len(labels) - 1}")
    in_order = tuple(labels[number] for number in range(len(labels)))
    problem_type = tree.get("problem_type")
    return DeclaredHead(model_class, None if problem_type == ONE_LABEL else problem_type, in_order or None)


def from_model(
    model: Model, model_class: ModelClass | None, heads: KnownHeads, family: Family = "ernie"
) -> dict[str, Any]:
    """Return the keys of both libraries for one of our models; `model_class` is that of its head."""
    config = model.config.model_dump() | {"intermediate_size": model.config.ffn_size}
    tree: dict[str, Any] = {"model_type": family, "pad_token_id": model.vocabulary.pad_id}
    of_ernie = () if family == "ernie" else ERNIE_ALONE
    tree |= {THEIRS.get(ours, ours): config[ours] for ours in DEFAULTS if ours not in of_ernie}
    suffix = _pretrained_class(model.parameters) if model_class is None else f"For{model_class.suffix}"
    tree["architectures"] = [family.capitalize() + suffix]
    if model_class is None:
        return tree
    if model_class.problem_type:
        tree["problem_type"] = model_class.problem_type
    if model_class.suffix == "MultipleChoice":  # one score per choice, whatever the number of labels
        return tree
    classes = len(model.parameters[f"{heads.of_class(model_class.suffix)}.b_0"])
    labels = model.signature.labels if model.signature else None
    if labels:
        tree["id2label"] = {str(number): label for number, label in enumerate(labels)}
        tree["label2id"] = {label: number for number, label in enumerate(labels)}
    return tree | {"num_labels": classes}


def class_name(tree: dict[str, Any]) -> str:
    """Return the model class that a file names, empty if it names none."""
    return next((str(name) for name in (tree.get("init_class"), *(tree.get("architectures") or [])) if name), "")


def _pretrained_class(parameters: dict[str, np.ndarray]) -> str:
    """Return Hugging Face's class for the model's pre-training heads, without the family before it."""
    if MASKED_LM in parameters:
        return "ForPreTraining" if NEXT_SENTENCE in parameters else "ForMaskedLM"
    return "Model"


def _flattened(tree: dict[str, Any]) -> dict[str, Any]:
    inner = tree.pop("init_args", [])
    for part in inner if isinstance(inner, list) else []:
        if isinstance(part, dict):
            tree = _flattened(part) | tree
    return tree
