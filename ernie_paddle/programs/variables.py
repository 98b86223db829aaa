"""Parameters and other variables that programs share, by name, in one scope."""

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
    """The variables of all programs of a run, as numpy arrays by name."""

    def __init__(self, place: Any):
        self.place = place
        self.scope = paddle.static.Scope()
        self._parameters: list[str] = []

    def __contains__(self, name: str) -> bool:
        return self.scope.find_var(name) is not None

    def get(self, name: str) -> np.ndarray:
        return np.array(self.scope.find_var(name).get_tensor())

    def set(self, name: str, value: np.ndarray) -> None:
        self.scope.var(name).get_tensor().set(value, self.place)

    def set_parameter(self, name: str, value: np.ndarray) -> None:
        """Set a parameter. Creates it if needed."""
        if name not in self:
            self._parameters.append(name)
        self.set(name, value)

    def add_parameters(self, specs: dict[str, ParameterSpec], seed: int) -> None:
        """Initialise the parameters that do not exist yet; the others keep their values."""
        for name, spec in specs.items():
            if name not in self:
                self.set_parameter(name, spec.initial(seed))

    def add_filled(self, name: str, shape: tuple[int, ...], value: float) -> None:
        """Create a variable filled with `value`, unless it exists."""
        if name not in self:
            self.set(name, np.full(shape, value, np.float32))

    def parameters(self) -> dict[str, np.ndarray]:
        """Return all parameters, by name."""
        return {name: self.get(name) for name in self._parameters}
