"""What the modules of this package, one for each layout, have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ernie_paddle.kind import KeptSignature, ModelClass
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.training.checkpoint import Model
from ernie_paddle.weights.names import Library, Name


@dataclass(frozen=True)
class Declared:
    """What a library's configuration says of a model's head.

    `model_class` is the suffix of the class, empty for an encoder alone and None if the file names no class; `labels`
    are the names of the head's classes in the order of their ids, None if they have none.
    """

    model_class: str | None
    problem_type: str | None = None
    labels: tuple[str, ...] | None = None

    @property
    def head_class(self) -> str:
        """The class by which its head is known; a `classifier` without a class is one of sequences."""
        return "SequenceClassification" if self.model_class is None else self.model_class


@dataclass(frozen=True)
class Source:
    """A model as it lies on disk.

    `tensors` have the names and the orientation of the library, floats are float32; `names` are those that could be
    used; `where` begins errors; `notes` are sentences for the report; `vocabulary` is where its file should be.
    `signature` is that of a model that this project fine-tuned, `declared` what another library's configuration says.
    """

    library: Library
    where: Path
    config: ErnieConfig
    tensors: dict[str, np.ndarray]
    names: list[Name]
    vocabulary: Path
    notes: tuple[str, ...] = ()
    signature: KeptSignature | None = None
    declared: Declared | None = None


@dataclass(frozen=True)
class Written:
    """What was written: the number of tensors, and sentences for the report."""

    tensors: int
    notes: list[str]


@dataclass(frozen=True)
class Layout:
    """A way of laying out a model in a folder.

    `signs` tells people by which files it is known, `recognises` looks for them in a folder. `read` takes the folder
    and a configuration file to read instead of its own, or None. `write` fills an existing folder with a model; the
    class is that of its head in the other libraries, None if it has none.
    """

    name: str
    signs: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Path | None], Source]
    write: Callable[[Path, Model, ModelClass | None], Written]


def as_float32(values: np.ndarray) -> np.ndarray:
    """Floats of any width as float32; other types as they are."""
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def bfloat16_as_float32(bits: np.ndarray) -> np.ndarray:
    """bfloat16 values, which numpy knows as uint16 only, as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def renamed(model: Model, names: list[Name]) -> dict[str, np.ndarray]:
    """The parameters that have a name in a library, under that name and in its orientation."""
    return {
        name.theirs: np.ascontiguousarray(values.T if name.transposed else values)
        for name in names
        if (values := model.parameters.get(name.ours)) is not None
    }


def left_behind(model: Model, names: list[Name]) -> list[str]:
    """A sentence about the parameters that have no name in a library, if there are any."""
    nameless = sorted(model.parameters.keys() - {name.ours for name in names})
    return [f"left behind, having no name there: {', '.join(nameless)}"] if nameless else []
