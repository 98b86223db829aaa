"""PaddleNLP's layout: `model_state.pdparams`, `config.json` (or the older `model_config.json`), `vocab.txt`.

With `safe_serialization` PaddleNLP writes `model.safetensors` instead, whose names tell it from Hugging Face's.

PaddleNLP's ERNIE computes LayerNorm with epsilon 1e-12 whatever its configuration says (2.8,
`transformers/ernie/modeling.py`); its BERT goes by `layer_norm_eps`.
"""

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json, written_whole
from ernie_paddle.kind import ModelClass
from ernie_paddle.training.checkpoint import Model, load_signature, save_signature
from ernie_paddle.weights import bert_config
from ernie_paddle.weights.layout import (
    Layout,
    Source,
    Written,
    as_float32,
    bfloat16_as_float32,
    left_behind,
    renamed,
)
from ernie_paddle.weights.names import names_of, prefix_of
from ernie_paddle.weights.restricted_pickle import read_arrays
from ernie_paddle.weights.safetensors_files import WEIGHTS as SAFETENSORS
from ernie_paddle.weights.safetensors_files import names_in, read_safetensors
from ernie_paddle.weights.shards import read_sharded, weights_file
from ernie_paddle.weights.tokenizers import vocabulary_file, write_tokenizer

WEIGHTS, SUFFIX = "model_state.pdparams", ".pdparams"
OWN_NAME = "encoder.layers.0.self_attn."  # Hugging Face has encoder.layer.0.attention.self
CONFIG, OLD_CONFIG = "config.json", "model_config.json"
EPSILON = 1e-12
TYPES_OF_SENTENCES = 16  # the default of both models


def recognises(folder: Path) -> bool:
    tensors = weights_file(folder, SAFETENSORS)
    named = (folder / CONFIG).is_file() and tensors is not None and any(OWN_NAME in name for name in names_in(tensors))
    return named or any(folder.glob(f"*{SUFFIX}"))


def read(folder: Path, config_file: Path | None) -> Source:
    """Read a folder of `save_pretrained`, with shards or without, or one with any single `.pdparams` file.

    Raises:
        UserError: a file missing, damaged or of another model.
    """
    path = config_file or (folder / CONFIG if (folder / CONFIG).is_file() else folder / OLD_CONFIG)
    tree = bert_config.read_tree(path)
    config = bert_config.to_config(tree, path, sent_type_vocab_size=TYPES_OF_SENTENCES)
    notes = []
    if bert_config.family(tree, path) == "ernie" and config.layer_norm_epsilon != EPSILON:
        config = config.model_copy(update={"layer_norm_epsilon": EPSILON})
        notes.append(f"LayerNorm's epsilon is {EPSILON}, as PaddleNLP's ERNIE computes, not that of {path.name}")
    weights = _weights(folder)
    tensors = dict(read_sharded(weights, _read_one))
    said = bert_config.declared(tree, path)
    names = names_of("paddlenlp", config, prefix_of(tensors), said.head_class)
    vocabulary, signature = vocabulary_file(folder), load_signature(folder)
    return Source("paddlenlp", weights, config, tensors, names, vocabulary, tuple(notes), signature, said)


def write(folder: Path, model: Model, model_class: ModelClass | None) -> Written:
    """Write what `ErnieModel.from_pretrained(folder)` and its like load."""
    names = names_of("paddlenlp", model.config, "ernie.", model_class.suffix if model_class else "")
    tensors = renamed(model, names)
    if "mask_lm_out_fc.b_0" in model.parameters:
        tensors["cls.predictions.decoder.weight"] = model.parameters["word_embedding"]
        tensors["cls.predictions.decoder.bias"] = model.parameters["mask_lm_out_fc.b_0"]
    with written_whole(folder / WEIGHTS, "wb") as file:
        pickle.dump(tensors, file, protocol=4)
    tree = bert_config.from_model(model, model_class)
    tree["architectures"] = [name.replace("PreTraining", "Pretraining") for name in tree["architectures"]]
    write_json(folder / CONFIG, tree)
    write_tokenizer(folder, model, "ErnieTokenizer")
    save_signature(folder, model.signature)
    notes, epsilon = left_behind(model, names), model.config.layer_norm_epsilon
    if model_class and model_class.suffix == "MultipleChoice":
        notes.append("PaddleNLP has to be told the number of choices: from_pretrained(folder, num_choices=4)")
    if epsilon != EPSILON:
        notes.append(
            f"PaddleNLP's ERNIE computes LayerNorm with epsilon {EPSILON}, this model with {epsilon}: "
            "hidden states there will differ a little"
        )
    return Written(len(tensors), notes)


def _weights(folder: Path) -> Path:
    usual = weights_file(folder, WEIGHTS) or weights_file(folder, SAFETENSORS)
    if usual:
        return usual
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if len(found) != 1:
        raise UserError(f"{folder}: {len(found)} files {SUFFIX} and none is {WEIGHTS}; leave one")
    return found[0]


def _read_one(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors of a file; PaddleNLP writes bfloat16 as uint16, which no parameter is otherwise."""
    for name, values in read_arrays(path).items() if path.suffix == SUFFIX else read_safetensors(path):
        yield name, bfloat16_as_float32(values) if values.dtype == np.uint16 else as_float32(values)


LAYOUT = Layout(
    name="paddlenlp",
    signs=f"{WEIGHTS}, another single file {SUFFIX}, or safetensors with its names",
    recognises=recognises,
    read=read,
    write=write,
)
