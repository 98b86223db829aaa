"""Safetensors files, which Hugging Face writes and PaddleNLP can write."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open

from ernie_paddle.errors import UserError
from ernie_paddle.weights.layout import as_float32, bfloat16_as_float32
from ernie_paddle.weights.shards import INDEX_SUFFIX, shards_of

WEIGHTS = "model.safetensors"
TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "U16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "U8": "u1",
    "BOOL": "?",
}


def read_safetensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors of one file, floats as float32. Unlike `safetensors.numpy` it reads bfloat16.

    Raises:
        UserError: the file is damaged or holds tensors of an unknown type.
    """
    try:
        stored = deserialize(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    for name, tensor in stored:
        if tensor["dtype"] not in TYPES:
            raise UserError(f"{path}: {name} holds {tensor['dtype']}, expected floats of 16 bits or more")
        values = np.frombuffer(tensor["data"], TYPES[tensor["dtype"]]).reshape(tensor["shape"])
        yield name, bfloat16_as_float32(values) if tensor["dtype"] == "BF16" else as_float32(values)


def names_in(path: Path) -> set[str]:
    """Return the names of the tensors in a file or an index, without reading their values."""
    if path.name.endswith(INDEX_SUFFIX):
        return set().union(*shards_of(path).values())
    try:
        with safe_open(path, "numpy") as file:
            return set(file.keys())
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
