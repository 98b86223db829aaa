"""PaddleNLP's layout: `model_state.pdparams`, `config.json` (or the older `model_config.json`), `vocab.txt`.

With `safe_serialization` PaddleNLP writes `model.safetensors` instead, whose tensor names differ from Hugging Face's.

PaddleNLP's ERNIE ignores `layer_norm_eps` and computes LayerNorm with epsilon 1e-12 (2.8,
`transformers/ernie/modeling.py`); its BERT uses `layer_norm_eps`.
"""

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, write_json
from ernie_paddle.finetuning_task import ModelClass
from ernie_paddle.model.saved import Model, load_signature, save_signature
from ernie_paddle.weights import hf_config
from ernie_paddle.weights.layout import (
    SourceModel,
    WeightsLayout,
    WriteResult,
    as_float32,
    bfloat16_as_float32,
    library_tensors,
    not_written,
)
from ernie_paddle.weights.names import KnownHeads, names_of, prefix_of
from ernie_paddle.weights.restricted_pickle import read_arrays
from ernie_paddle.weights.safetensors_files import WEIGHTS as SAFETENSORS
from ernie_paddle.weights.safetensors_files import names_in, read_safetensors
from ernie_paddle.weights.shards import read_sharded, weights_file
from ernie_paddle.weights.tokenizers import vocabulary_file, write_tokenizer

WEIGHTS, SUFFIX = "model_state.pdparams", ".pdparams"
PADDLENLP_NAME = "encoder.layers.0.self_attn."  # Hugging Face has encoder.layer.0.attention.self
CONFIG, OLD_CONFIG = "config.json", "model_config.json"
EPSILON = 1e-12
SENTENCE_TYPES = 16  # the default of both models


def recognises(folder: Path) -> bool:
    weights = weights_file(folder, SAFETENSORS)
    if weights and (folder / CONFIG).is_file() and any(PADDLENLP_NAME in name for name in names_in(weights)):
        return True
    return any(folder.glob(f"*{SUFFIX}"))


def read(folder: Path, config_file: Path | None, heads: KnownHeads) -> SourceModel:
    """Read a folder that `save_pretrained` wrote, sharded or not, or a folder with a single `.pdparams` file.

    Raises:
        UserError: a file is missing, damaged or of another model.
    """
    path = config_file or (folder / CONFIG if (folder / CONFIG).is_file() else folder / OLD_CONFIG)
    tree = hf_config.read_tree(path)
    config = hf_config.to_config(tree, path, sent_type_vocab_size=SENTENCE_TYPES)
    notes = []
    if hf_config.family(tree, path) == "ernie" and config.layer_norm_epsilon != EPSILON:
        config = config.model_copy(update={"layer_norm_epsilon": EPSILON})
        notes.append(f"LayerNorm's epsilon is {EPSILON} as in PaddleNLP's ERNIE, not that of {path.name}")
    weights = _weights(folder)
    tensors = dict(read_sharded(weights, _read_file))
    declared = hf_config.declared(tree, path)
    names = names_of("paddlenlp", config, prefix_of(tensors), declared.head_class, heads.finetuned)
    vocabulary, signature = vocabulary_file(folder), load_signature(folder)
    return SourceModel("paddlenlp", weights, config, tensors, names, vocabulary, tuple(notes), signature, declared)


def write(folder: Path, model: Model, model_class: ModelClass | None, heads: KnownHeads) -> WriteResult:
    """Write a folder that `from_pretrained` of PaddleNLP's ERNIE classes loads."""
    names = names_of("paddlenlp", model.config, "ernie.", model_class.suffix if model_class else "", heads.finetuned)
    tensors = library_tensors(model, names)
    if "mask_lm_out_fc.b_0" in model.parameters:
        tensors["cls.predictions.decoder.weight"] = model.parameters["word_embedding"]
        tensors["cls.predictions.decoder.bias"] = model.parameters["mask_lm_out_fc.b_0"]
    with atomic_write(folder / WEIGHTS, "wb") as file:
        pickle.dump(tensors, file, protocol=4)
    tree = hf_config.from_model(model, model_class, heads)
    tree["architectures"] = [name.replace("PreTraining", "Pretraining") for name in tree["architectures"]]
    write_json(folder / CONFIG, tree)
    write_tokenizer(folder, model, "ErnieTokenizer")
    save_signature(folder, model.signature)
    notes, epsilon = not_written(model, names), model.config.layer_norm_epsilon
    if model_class and model_class.suffix == "MultipleChoice":
        notes.append("PaddleNLP needs the number of choices: from_pretrained(folder, num_choices=4)")
    if epsilon != EPSILON:
        notes.append(
            f"PaddleNLP's ERNIE computes LayerNorm with epsilon {EPSILON}, this model with {epsilon}: "
            "its hidden states will differ slightly"
        )
    return WriteResult(len(tensors), notes)


def _weights(folder: Path) -> Path:
    standard = weights_file(folder, WEIGHTS) or weights_file(folder, SAFETENSORS)
    if standard:
        return standard
    others = sorted(folder.glob(f"*{SUFFIX}"))
    if len(others) != 1:
        raise UserError(f"{folder}: {len(others)} {SUFFIX} files, none of them {WEIGHTS}; keep one of them")
    return others[0]


def _read_file(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors of a file. PaddleNLP stores bfloat16 as uint16, a type that no other parameter has."""
    for name, values in read_arrays(path).items() if path.suffix == SUFFIX else read_safetensors(path):
        yield name, bfloat16_as_float32(values) if values.dtype == np.uint16 else as_float32(values)


LAYOUT = WeightsLayout(
    name="paddlenlp",
    files=f"{WEIGHTS}, another single file {SUFFIX}, or safetensors with its names",
    recognises=recognises,
    read=read,
    write=write,
)
