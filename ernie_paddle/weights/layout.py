"""What the modules of this package, one for each layout, have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.training.checkpoint import Model
from ernie_paddle.weights.names import Library, Name


@dataclass(frozen=True)
class Source:
    """A model as it lies on disk.

    `tensors` have the names and the orientation of the library, floats are float32; `names` are those that could be
    used; `where` begins errors; `notes` are sentences for the report; `vocabulary` is where its file should be.
    """

    library: Library
    where: Path
    config: ErnieConfig
    tensors: dict[str, np.ndarray]
    names: list[Name]
    vocabulary: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A way of laying out a model in a folder.

    `signs` tells people by which files it is known, `recognises` looks for them in a folder. `read` takes the folder
    and a configuration file to read instead of its own, or None. `write` fills an existing folder with a model and
    returns sentences for the report.
    """

    name: str
    signs: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Path | None], Source]
    write: Callable[[Path, Model], list[str]]


def as_float32(values: np.ndarray) -> np.ndarray:
    """Floats of any width as float32; other types as they are."""
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def bfloat16_as_float32(bits: np.ndarray) -> np.ndarray:
    """bfloat16 values, which numpy knows as uint16 only, as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def left_behind(model: Model, names: list[Name]) -> list[str]:
    """A sentence about the parameters that have no name in a library, if there are any."""
    nameless = sorted(model.parameters.keys() - {name.ours for name in names})
    return [f"left behind, having no name there: {', '.join(nameless)}"] if nameless else []
