"""Parameters and other variables that programs share, by name, in one scope."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import paddle

from ernie_paddle.keyed_random import generator

GRADIENT_SUFFIX = "@GRAD"


@dataclass(frozen=True)
class ParameterSpec:
    """Shape and initializer of a parameter; `normal` is truncated at two standard deviations."""

    name: str
    shape: tuple[int, ...]
    initializer: Literal["normal", "zeros", "ones"]
    std: float = 0.0

    def initial(self, seed: int) -> np.ndarray:
        """Return the initial values, which depend only on seed and name: not on programs, stages or their order."""
        if self.initializer == "zeros":
            return np.zeros(self.shape, np.float32)
        if self.initializer == "ones":
            return np.ones(self.shape, np.float32)
        random = generator(seed, "parameter", self.name)
        values = random.standard_normal(self.shape, dtype=np.float32)
        while (outside := np.abs(values) > 2).any():
            values[outside] = random.standard_normal(int(outside.sum()), dtype=np.float32)
        return values * np.float32(self.std)


class Variables:
    """The variables of all programs of a run, as float32 numpy arrays by name.

    Some are views: parts of a vector that is a variable itself. Programs may read and write either.
    """

    def __init__(self, place: Any):
        self.place = place
        self.scope = paddle.static.Scope()
        self._parameters: list[str] = []
        self._vectors: dict[str, tuple[str, ...]] = {}  # the parts of each
        self._vector_of: dict[str, str] = {}  # each part

    def __contains__(self, name: str) -> bool:
        return self.scope.find_var(name) is not None

    def get(self, name: str) -> np.ndarray:
        # numpy's copy of a view would hold a copy of the whole vector.
        return np.array(self.scope.find_var(name).get_tensor()._copy(paddle.CPUPlace()))

    def set(self, name: str, value: np.ndarray) -> None:
        """Set a variable. Creates it if needed.

        Raises:
            ValueError: the variable has another shape.
        """
        shape = tuple(self.scope.find_var(name).get_tensor().shape()) if name in self else value.shape
        if shape != value.shape:
            raise ValueError(f"{name} has shape {shape}, not {value.shape}")
        # In place if it exists, so that views stay views. Wider values would be written over what follows a view.
        self.scope.var(name).get_tensor().set(np.asarray(value, np.float32), self.place)

    def set_parameter(self, name: str, value: np.ndarray) -> None:
        """Set a parameter. Creates it if needed."""
        if name not in self:
            self._parameters.append(name)
        self.set(name, value)

    def add_parameters(self, specs: Iterable[ParameterSpec], seed: int) -> None:
        """Initialise the parameters that do not exist yet; the others keep their values."""
        for spec in specs:
            if spec.name not in self:
                self.set_parameter(spec.name, spec.initial(seed))

    def add_filled(self, name: str, shape: tuple[int, ...], value: float) -> None:
        """Create a variable filled with `value`, unless it exists."""
        if name not in self:
            self.set(name, np.full(shape, value, np.float32))

    def join(self, name: str, parts: Sequence[str]) -> None:
        """Join variables to one vector of this name, unless they are. They become views of it with their values.

        A variable that alone has this name stays as it is.

        Raises:
            ValueError: the vector has other parts, or one of these is a part of another vector.
        """
        if self._vectors.get(name) == tuple(parts):
            return
        for variable in (name, *parts):
            if variable in self._vector_of or variable in self._vectors:
                other = self._vector_of.get(variable, "other parts")
                raise ValueError(f"{name}: {variable} was joined to {other} before")
        self._vectors[name] = tuple(parts)
        self._vector_of |= dict.fromkeys(parts, name)
        if name in parts:
            return
        values = [self.get(part) for part in parts]
        self.set(name, np.concatenate([value.reshape(-1) for value in values]))
        vector, start = self.scope.find_var(name).get_tensor(), 0
        for part, value in zip(parts, values, strict=True):
            view = self.scope.find_var(part).get_tensor()
            view._share_data_with(vector._slice(start, start + value.size))
            view._set_dims(list(value.shape))
            start += value.size

    def alias(self, name: str, others: Sequence[str]) -> None:
        """Create a variable with the value of the others, unless it exists. All of them are one from then on.

        Raises:
            ValueError: the others differ.
        """
        if name in self:
            return
        values = [self.get(other) for other in others]
        if any((value != values[0]).any() for value in values):
            raise ValueError(f"{name}: its parameters were not updated together")
        self.set(name, values[0])
        for other in others:
            self.scope.find_var(other).get_tensor()._share_data_with(self.scope.find_var(name).get_tensor())

    def parameters(self) -> dict[str, np.ndarray]:
        """Return all parameters, by name."""
        return {name: self.get(name) for name in self._parameters}
