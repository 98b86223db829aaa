"""Tensors in several files, the shards, which an index lists, such as `model.safetensors.index.json`."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json

INDEX_SUFFIX = ".index.json"
SHARD = re.compile(r"[\w-][\w.-]*", re.ASCII)  # a file in the same folder

Tensors = Iterable[tuple[str, np.ndarray]]


def weights_file(folder: Path, name: str) -> Path | None:
    """Return the file of this name or, if there is none, its index of shards; None if neither is there."""
    return next((folder / file for file in (name, name + INDEX_SUFFIX) if (folder / file).is_file()), None)


def read_sharded(path: Path, read: Callable[[Path], Tensors]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors of a file, or of the shards of an index; `read` reads one file.

    Raises:
        UserError: a shard is missing, is in another folder, or does not hold exactly the tensors that the index lists.
    """
    if not path.name.endswith(INDEX_SUFFIX):
        yield from read(path)
        return
    for shard, names in sorted(shards_of(path).items()):
        tensors = dict(read(shard))
        for error, wrong in (("lacks", names - tensors.keys()), ("also holds", tensors.keys() - names)):
            if wrong:
                raise UserError(
                    f"{shard}: {error} {min(wrong)} ({len(wrong)} tensors); {path.name} says otherwise, "
                    "download the files again"
                )
        yield from tensors.items()


def shards_of(path: Path) -> dict[Path, set[str]]:
    """Return the names of an index's tensors, by the path of their shard."""
    listed = read_json(path, "index of shards").get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise UserError(f"{path}: has no weight_map of tensors and their files")
    suffix = Path(path.name.removesuffix(INDEX_SUFFIX)).suffix
    shards: dict[Path, set[str]] = {}
    for name, file in listed.items():
        if not isinstance(file, str) or not SHARD.fullmatch(file) or Path(file).suffix != suffix:
            raise UserError(f"{path}: {name} is in {file!r}, expected a {suffix} file of the same folder")
        shards.setdefault(path.parent / file, set()).add(name)
    missing = sorted(shard.name for shard in shards if not shard.is_file())
    if missing:
        raise UserError(f"{path}: {missing[0]} is not there ({len(missing)} of {len(shards)} shards are missing)")
    return shards
