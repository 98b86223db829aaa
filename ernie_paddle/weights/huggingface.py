"""Hugging Face's layout: `model.safetensors` (or shards), `config.json`, `vocab.txt` (or `tokenizer.json`).

Matrices are [out, in].
"""

import re
from pathlib import Path

from safetensors.numpy import save_file

from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json
from ernie_paddle.finetuning_task import ModelClass
from ernie_paddle.model.saved import Model, load_signature, safetensors_as_os_errors, save_signature
from ernie_paddle.weights import hf_config
from ernie_paddle.weights.hf_config import Family
from ernie_paddle.weights.layout import SourceModel, WeightsLayout, WriteResult, library_tensors, not_written
from ernie_paddle.weights.names import KnownHeads, names_of, prefix_of
from ernie_paddle.weights.safetensors_files import WEIGHTS, read_safetensors
from ernie_paddle.weights.shards import INDEX_SUFFIX, read_sharded, weights_file
from ernie_paddle.weights.tokenizers import vocabulary_file, write_tokenizer

PICKLED, CONFIG = "pytorch_model*.bin", "config.json"
BUFFERS = re.compile(r"(.*\.)?(position_ids|token_type_ids)")  # constants in files of older versions
OLD_NORM = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # the first BERT's


def recognises(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and bool(weights_file(folder, WEIGHTS) or _pickled(folder))


def read(folder: Path, config_file: Path | None, heads: KnownHeads) -> SourceModel:
    """Read an ERNIE or BERT with any head, as `save_pretrained` writes it.

    Raises:
        UserError: a file is missing, damaged, of another model or a pickle.
    """
    path = config_file or folder / CONFIG
    tree = hf_config.read_tree(path)
    hf_config.family(tree, path)
    weights = weights_file(folder, WEIGHTS)
    if weights is None:
        raise UserError(_advice(_pickled(folder)[0], hf_config.class_name(tree)))
    config, declared = hf_config.to_config(tree, path), hf_config.declared(tree, path)
    stored = read_sharded(weights, read_safetensors)
    tensors = {_current_name(name): values for name, values in stored if not BUFFERS.fullmatch(name)}
    names = names_of("huggingface", config, prefix_of(tensors), declared.head_class, heads.finetuned)
    vocabulary, signature = vocabulary_file(folder), load_signature(folder)
    return SourceModel("huggingface", weights, config, tensors, names, vocabulary, (), signature, declared)


def write(folder: Path, model: Model, model_class: ModelClass | None, heads: KnownHeads) -> WriteResult:
    """Write a folder that `from_pretrained` of Hugging Face's ERNIE classes loads."""
    return write_as("ernie", folder, model, model_class, heads)


def write_as(
    family: Family, folder: Path, model: Model, model_class: ModelClass | None, heads: KnownHeads
) -> WriteResult:
    """Write a folder for the classes of a family; a BERT has no task embedding."""
    suffix = model_class.suffix if model_class else ""
    names = names_of("huggingface", model.config, f"{family}.", suffix, heads.finetuned)
    tensors = library_tensors(model, names)
    with safetensors_as_os_errors(folder / WEIGHTS):
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / CONFIG, hf_config.from_model(model, model_class, heads, family))
    write_tokenizer(folder, model, "BertTokenizer")
    save_signature(folder, model.signature)
    return WriteResult(len(tensors), not_written(model, names))


def _pickled(folder: Path) -> list[Path]:
    return sorted(folder.glob(PICKLED))


def _advice(path: Path, class_name: str) -> str:
    """Return an error that tells how to convert a pickle to safetensors, with the class that keeps all of its heads."""
    model_class = class_name or "AutoModel"
    target = f"{path.parent}_safetensors"
    code = "; ".join(
        f"{loader}.from_pretrained('{path.parent}').save_pretrained('{target}')"
        for loader in (model_class, "AutoTokenizer")
    )
    return (
        f"{path}: pickles are not read, since they can run code; if you trust it, convert it to {target}: "
        f'python -c "from transformers import {model_class}, AutoTokenizer; {code}"'
    )


def _current_name(name: str) -> str:
    for old, new in OLD_NORM.items():
        name = name.removesuffix(old) + new if name.endswith(old) else name
    return name


LAYOUT = WeightsLayout(
    name="huggingface",
    files=f"{WEIGHTS} or {WEIGHTS}{INDEX_SUFFIX} with {CONFIG}",
    recognises=recognises,
    read=read,
    write=write,
)
