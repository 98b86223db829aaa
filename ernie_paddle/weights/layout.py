"""The interface of a weights layout, and helpers that the modules of several layouts share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ernie_paddle.finetuning_task import KeptSignature, ModelClass
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.model.saved import Model
from ernie_paddle.weights.names import KnownHeads, Library, ParameterName


@dataclass(frozen=True)
class DeclaredHead:
    """The head of a model as its library's configuration declares it.

    `model_class` is the suffix of the class, empty for an encoder without a head and None if the file names no class.
    `labels` are the names of the head's classes in the order of their ids, None if they have no names.
    """

    model_class: str | None
    problem_type: str | None = None
    labels: tuple[str, ...] | None = None

    @property
    def head_class(self) -> str:
        """The model class that names the head; a `classifier` without a class is taken for a sequence classifier."""
        return "SequenceClassification" if self.model_class is None else self.model_class


@dataclass(frozen=True)
class SourceModel:
    """A model as another library stores it.

    `tensors` have the library's names and orientation, with floats as float32. `names` are the parameters that can be
    loaded. `where` begins error messages, `notes` are sentences for the report, and `vocabulary` is the expected path
    of its file. `signature` is the one that this project wrote, `declared` the head in the library's configuration.
    """

    library: Library
    where: Path
    config: ErnieConfig
    tensors: dict[str, np.ndarray]
    names: list[ParameterName]
    vocabulary: Path
    notes: tuple[str, ...] = ()
    signature: KeptSignature | None = None
    declared: DeclaredHead | None = None


@dataclass(frozen=True)
class WriteResult:
    """The number of tensors that were written, and sentences for the report."""

    tensors: int
    notes: list[str]


@dataclass(frozen=True)
class WeightsLayout:
    """The files in which a library stores a model.

    `files` describes the files that identify the layout, and `recognises` looks for them in a folder. `read` takes the
    folder and, optionally, a configuration file that replaces its own. `write` fills an existing folder with a model;
    the model class is that of its head in the other libraries, None if they have no class for it.
    """

    name: str
    files: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Path | None, KnownHeads], SourceModel]
    write: Callable[[Path, Model, ModelClass | None, KnownHeads], WriteResult]


def as_float32(values: np.ndarray) -> np.ndarray:
    """Convert floats of any width to float32; return other types unchanged."""
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def bfloat16_as_float32(bits: np.ndarray) -> np.ndarray:
    """Convert bfloat16 values, given as uint16 since numpy has no such type, to float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def library_tensors(model: Model, names: list[ParameterName]) -> dict[str, np.ndarray]:
    """Return the parameters that have a name in a library, with that name and in its orientation."""
    return {
        name.theirs: np.ascontiguousarray(values.T if name.transposed else values)
        for name in names
        if (values := model.parameters.get(name.ours)) is not None
    }


def not_written(model: Model, names: list[ParameterName]) -> list[str]:
    """Return a sentence about the parameters that have no name in a library, if there are any."""
    nameless = sorted(model.parameters.keys() - {name.ours for name in names})
    return [f"not written, since the layout has no name for them: {', '.join(nameless)}"] if nameless else []
