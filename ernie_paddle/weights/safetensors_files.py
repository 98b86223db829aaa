"""Tensors of `model.safetensors`, or of several shards that `model.safetensors.index.json` lists."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.weights.layout import as_float32, bfloat16_as_float32

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"[\w-][\w.-]*\.safetensors", re.ASCII)  # a file of the same folder
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}


def weights_file(folder: Path) -> Path | None:
    """Return the file to read, that of all tensors before the index of shards; None if neither is there."""
    return next((folder / name for name in (WEIGHTS, INDEX) if (folder / name).is_file()), None)


def read_tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors of a file or of the shards of an index, floats as float32.

    Raises:
        UserError: a file missing or damaged, shards that do not hold exactly the tensors of the index.
    """
    if path.name != INDEX:
        yield from _file(path)
        return
    for shard, names in sorted(_shards(path).items()):
        tensors = dict(_file(shard))
        for problem, which in (("lacks", names - tensors.keys()), ("also holds", tensors.keys() - names)):
            if which:
                what = f"{problem} {min(which)} ({len(which)} tensors)"
                raise UserError(f"{shard}: {what}; {path.name} says otherwise, get the files again")
        yield from tensors.items()


def _shards(path: Path) -> dict[Path, set[str]]:
    """Return the names of tensors by shard."""
    listed = read_json(path, "index of shards").get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise UserError(f"{path}: has no weight_map of tensors and their files")
    shards: dict[Path, set[str]] = {}
    for name, file in listed.items():
        if not isinstance(file, str) or not SHARD.fullmatch(file):
            raise UserError(f"{path}: {name} is in {file!r}, expected a .safetensors file of the same folder")
        shards.setdefault(path.parent / file, set()).add(name)
    missing = sorted(shard.name for shard in shards if not shard.is_file())
    if missing:
        raise UserError(f"{path}: {missing[0]} is not there ({len(missing)} of {len(shards)} shards are missing)")
    return shards


def _file(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors of one file; numpy's own reader of the format refuses bfloat16."""
    try:
        found = deserialize(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    for name, tensor in found:
        if tensor["dtype"] not in TYPES:
            raise UserError(f"{path}: {name} holds {tensor['dtype']}, expected floats of 16 bits or more")
        values = np.frombuffer(tensor["data"], TYPES[tensor["dtype"]]).reshape(tensor["shape"])
        yield name, bfloat16_as_float32(values) if tensor["dtype"] == "BF16" else as_float32(values)
