"""`config.json` as PaddleNLP and Hugging Face write it for ERNIE and BERT, to and from `ErnieConfig`."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.kind import ModelClass
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.training.checkpoint import Model
from ernie_paddle.weights.layout import Declared
from ernie_paddle.weights.names import head_of

FAMILY = re.compile(r"(ernie|bert)(?:model|for(\w+))?", re.IGNORECASE)  # a type, or a class such as ErnieForMaskedLM
# The libraries' own defaults, for what a file does not say; the keys are ours.
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
ONE_LABEL = "single_label_classification"  # the problem type of most classes; the libraries note it when they train
MASKED_LM, NEXT_SENTENCE = "mask_lm_out_fc.b_0", "next_sent_fc.b_0"
THEIRS = {"sent_type_vocab_size": "type_vocab_size", "layer_norm_epsilon": "layer_norm_eps"}


def read_tree(path: Path) -> dict[str, Any]:
    """The keys of a file; those of old PaddleNLP's `init_args`, which may hold others, are brought to the top."""
    return _flattened(read_json(path, "model configuration"))


def family(tree: dict[str, Any], path: Path) -> str:
    """`ernie` or `bert`.

    Raises:
        UserError: the file is of another model.
    """
    named = tree.get("model_type") or class_name(tree)
    found = FAMILY.fullmatch(str(named))
    if not found:
        raise UserError(f"{path}: a model of type '{named}'; those of ERNIE 1.0 to 3.0 and BERT can be converted")
    return found[1].lower()


def to_config(tree: dict[str, Any], path: Path, **defaults: Any) -> ErnieConfig:
    """Our configuration; `defaults` go before those above.

    Raises:
        UserError: an impossible value, or something that our encoder does not have.
    """
    for key, expected in (("position_embedding_type", "absolute"), ("pool_act", "tanh"), ("is_decoder", False)):
        if tree.get(key, expected) != expected:
            raise UserError(f"{path}: {key} is {tree[key]!r}, this project's encoder has {expected!r} only")
    known = {ours: tree[THEIRS.get(ours, ours)] for ours in DEFAULTS if tree.get(THEIRS.get(ours, ours)) is not None}
    return check_settings(ErnieConfig, {**DEFAULTS, **defaults, **known}, str(path))


def declared(tree: dict[str, Any], path: Path) -> Declared:
    """What the file says of the model's head.

    Raises:
        UserError: `id2label` does not name classes 0, 1, ...
    """
    name = class_name(tree)
    found = FAMILY.fullmatch(name)
    model_class = (found[2] or "") if found else name or None
    names = tree.get("id2label") or {}
    try:
        labels = {int(key): str(value) for key, value in dict(names).items()}
    except (TypeError, ValueError):
        raise UserError(f"{path}: id2label is {names!r}, expected names of classes by their numbers") from None
    if sorted(labels) != list(range(len(labels))):
        raise UserError(f"{path}: id2label has the numbers {sorted(labels)}, expected 0 to {len(labels) - 1}")
    in_order = tuple(labels[number] for number in range(len(labels)))
    problem_type = tree.get("problem_type")
    return Declared(model_class, None if problem_type == ONE_LABEL else problem_type, in_order or None)


def from_model(model: Model, model_class: ModelClass | None) -> dict[str, Any]:
    """The keys of both libraries for a model of ours with the head of this class."""
    config = model.config.model_dump() | {"intermediate_size": model.config.ffn_size}
    tree = {"model_type": "ernie", "pad_token_id": model.vocabulary.pad_id}
    tree |= {THEIRS.get(ours, ours): config[ours] for ours in DEFAULTS}
    if model_class is None:
        return tree | {"architectures": [_pretrained_class(model.parameters)]}
    tree["architectures"] = [f"ErnieFor{model_class.suffix}"]
    if model_class.problem_type:
        tree["problem_type"] = model_class.problem_type
    if model_class.suffix == "MultipleChoice":  # one score a choice, whatever the number of labels
        return tree
    classes = len(model.parameters[f"{head_of(model_class.suffix)}.b_0"])
    labels = model.signature.labels if model.signature else None
    if labels:
        tree["id2label"] = {str(number): label for number, label in enumerate(labels)}
        tree["label2id"] = {label: number for number, label in enumerate(labels)}
    return tree | {"num_labels": classes}


def class_name(tree: dict[str, Any]) -> str:
    """The model class that a file names, empty if it names none."""
    return next((str(name) for name in (tree.get("init_class"), *(tree.get("architectures") or [])) if name), "")


def _pretrained_class(parameters: dict[str, np.ndarray]) -> str:
    """The class, by Hugging Face's name, that has the heads of pre-training."""
    if MASKED_LM in parameters:
        return "ErnieForPreTraining" if NEXT_SENTENCE in parameters else "ErnieForMaskedLM"
    return "ErnieModel"


def _flattened(tree: dict[str, Any]) -> dict[str, Any]:
    inner = tree.pop("init_args", [])
    for part in inner if isinstance(inner, list) else []:
        if isinstance(part, dict):
            tree = _flattened(part) | tree
    return tree
