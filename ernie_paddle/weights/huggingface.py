"""Hugging Face's layout: `model.safetensors`, `config.json`, `vocab.txt`; matrices are [out, in]."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save_file

from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json
from ernie_paddle.training.checkpoint import VOCABULARY_FILE, Model, os_errors
from ernie_paddle.weights import bert_config
from ernie_paddle.weights.layout import Layout, Source, as_float32, bfloat16_as_float32, left_behind
from ernie_paddle.weights.names import names_of, prefix_of
from ernie_paddle.weights.tokenizers import write_tokenizer

WEIGHTS, PICKLED, CONFIG = "model.safetensors", "pytorch_model.bin", "config.json"
BUFFERS = re.compile(r"(.*\.)?(position_ids|token_type_ids)")  # numbers from 0 on, in files of older versions
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
OLD_NORM = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # the first BERT's


def recognises(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and any((folder / name).is_file() for name in (WEIGHTS, PICKLED))


def read(folder: Path, config_file: Path | None) -> Source:
    """Read a folder of `save_pretrained` of an ERNIE or BERT, with any head.

    Raises:
        UserError: a file missing, damaged, of another model or pickled.
    """
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            f"{folder / PICKLED}: a pickle, which can run code, is not read; where it is trusted make {WEIGHTS} of it "
            "with transformers: AutoModelForMaskedLM.from_pretrained(folder).save_pretrained(other_folder)"
        )
    path = config_file or folder / CONFIG
    tree = bert_config.read_tree(path)
    bert_config.family(tree, path)
    config = bert_config.to_config(tree, path)
    tensors = {_newer(name): values for name, values in _tensors(folder / WEIGHTS) if not BUFFERS.fullmatch(name)}
    names = names_of("huggingface", config, prefix_of(tensors))
    return Source("huggingface", folder / WEIGHTS, config, tensors, names, folder / VOCABULARY_FILE)


def write(folder: Path, model: Model) -> list[str]:
    """Write what `ErnieModel.from_pretrained(folder)` and its like load."""
    tensors, names = {}, names_of("huggingface", model.config, "ernie.")
    for name in names:
        if name.ours in model.parameters:
            values = model.parameters[name.ours]
            tensors[name.theirs] = np.ascontiguousarray(values.T if name.transposed else values)
    with os_errors(folder / WEIGHTS):
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / CONFIG, bert_config.from_model(model))
    write_tokenizer(folder, model, "BertTokenizer")
    return left_behind(model, names)


def _tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors of a file; numpy's own reader of the format refuses bfloat16."""
    try:
        found = deserialize(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    for name, tensor in found:
        if tensor["dtype"] not in TYPES:
            raise UserError(f"{path}: {name} holds {tensor['dtype']}, expected floats of 16 bits or more")
        values = np.frombuffer(tensor["data"], TYPES[tensor["dtype"]]).reshape(tensor["shape"])
        yield name, bfloat16_as_float32(values) if tensor["dtype"] == "BF16" else as_float32(values)


def _newer(name: str) -> str:
    for old, new in OLD_NORM.items():
        name = name.removesuffix(old) + new if name.endswith(old) else name
    return name


LAYOUT = Layout(
    name="huggingface",
    signs=f"{WEIGHTS} with {CONFIG}",
    recognises=recognises,
    read=read,
    write=write,
)
