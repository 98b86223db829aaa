"""Hugging Face's layout: `model.safetensors` (or shards), `config.json`, `vocab.txt` (or `tokenizer.json`).

Matrices are [out, in].
"""

import re
from pathlib import Path

from safetensors.numpy import save_file

from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json
from ernie_paddle.kind import ModelClass
from ernie_paddle.training.checkpoint import Model, load_signature, os_errors, save_signature
from ernie_paddle.weights import bert_config
from ernie_paddle.weights.layout import Layout, Source, Written, left_behind, renamed
from ernie_paddle.weights.names import names_of, prefix_of
from ernie_paddle.weights.safetensors_files import WEIGHTS, read_safetensors
from ernie_paddle.weights.shards import INDEX_SUFFIX, read_sharded, weights_file
from ernie_paddle.weights.tokenizers import vocabulary_file, write_tokenizer

PICKLED, CONFIG = "pytorch_model*.bin", "config.json"
BUFFERS = re.compile(r"(.*\.)?(position_ids|token_type_ids)")  # numbers from 0 on, in files of older versions
OLD_NORM = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # the first BERT's


def recognises(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and bool(weights_file(folder, WEIGHTS) or _pickled(folder))


def read(folder: Path, config_file: Path | None) -> Source:
    """Read a folder of `save_pretrained` of an ERNIE or BERT, with any head.

    Raises:
        UserError: a file missing, damaged, of another model or pickled.
    """
    path = config_file or folder / CONFIG
    tree = bert_config.read_tree(path)
    bert_config.family(tree, path)
    weights = weights_file(folder, WEIGHTS)
    if weights is None:
        raise UserError(_advice(_pickled(folder)[0], bert_config.class_name(tree)))
    config, said = bert_config.to_config(tree, path), bert_config.declared(tree, path)
    found = read_sharded(weights, read_safetensors)
    tensors = {_newer(name): values for name, values in found if not BUFFERS.fullmatch(name)}
    names = names_of("huggingface", config, prefix_of(tensors), said.head_class)
    vocabulary, signature = vocabulary_file(folder), load_signature(folder)
    return Source("huggingface", weights, config, tensors, names, vocabulary, (), signature, said)


def write(folder: Path, model: Model, model_class: ModelClass | None) -> Written:
    """Write what `ErnieModel.from_pretrained(folder)` and its like load."""
    names = names_of("huggingface", model.config, "ernie.", model_class.suffix if model_class else "")
    tensors = renamed(model, names)
    with os_errors(folder / WEIGHTS):
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / CONFIG, bert_config.from_model(model, model_class))
    write_tokenizer(folder, model, "BertTokenizer")
    save_signature(folder, model.signature)
    return Written(len(tensors), left_behind(model, names))


def _pickled(folder: Path) -> list[Path]:
    return sorted(folder.glob(PICKLED))


def _advice(path: Path, class_name: str) -> str:
    """Say how to turn a pickle into a folder that can be read, with the class that keeps all of its heads."""
    name = class_name or "AutoModel"
    saved = f"{path.parent}_safetensors"
    classes = (name, "AutoTokenizer")
    code = "; ".join(f"{one}.from_pretrained('{path.parent}').save_pretrained('{saved}')" for one in classes)
    return (
        f"{path}: a pickle, which can run code, is not read; where it is trusted, transformers makes {saved} of it: "
        f'python -c "from transformers import {name}, AutoTokenizer; {code}"'
    )


def _newer(name: str) -> str:
    for old, new in OLD_NORM.items():
        name = name.removesuffix(old) + new if name.endswith(old) else name
    return name


LAYOUT = Layout(
    name="huggingface",
    signs=f"{WEIGHTS} or {WEIGHTS}{INDEX_SUFFIX} with {CONFIG}",
    recognises=recognises,
    read=read,
    write=write,
)
