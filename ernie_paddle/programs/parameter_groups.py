"""Groups of parameters that are updated together, and their vectors."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from ernie_paddle.programs.variables import ParameterSpec

ALIGNMENT = 16  # float32 values of a cache line


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters whose values are one vector: one gradient, one pair of moments, one sum over ranks, one update.

    All of them have the same weight decay and are read in the same precision. The vector has the name of the group. The
    only parameter of a group keeps its shape and gives the group its name.
    """

    name: str
    specs: tuple[ParameterSpec, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the group's variable."""
        return self.specs[0].shape if len(self.specs) == 1 else (sum(self.sizes),)

    @property
    def sizes(self) -> list[int]:
        """The number of values of each parameter."""
        return [prod(spec.shape) for spec in self.specs]

    @property
    def is_decayed(self) -> bool:
        return is_decayed(self.specs[0].name)

    @property
    def spec(self) -> ParameterSpec:
        """The group's variable as a parameter."""
        return ParameterSpec(self.name, self.shape, "zeros")


def is_decayed(name: str) -> bool:
    """Return whether weight decay applies to a parameter (release, `optimization.py`)."""
    return "layer_norm" not in name and not name.endswith(("_bias", "_b", ".b_0"))


def group_parameters(owner: str, specs: Iterable[ParameterSpec]) -> tuple[ParameterGroup, ...]:
    """Group the parameters of the encoder or of one head. Embeddings stay alone, since rows of them are looked up."""
    kinds: dict[str, list[ParameterSpec]] = {}
    for spec in specs:
        kinds.setdefault(_kind(spec), []).append(spec)
    groups = []
    for kind, members in kinds.items():
        aligned = sorted(members, key=lambda spec: prod(spec.shape) % ALIGNMENT != 0)
        groups.append(ParameterGroup(f"{owner}.{kind}" if len(members) > 1 else members[0].name, tuple(aligned)))
    return tuple(groups)


def _kind(spec: ParameterSpec) -> str:
    if spec.name.endswith("_embedding"):
        return spec.name
    if "layer_norm" in spec.name:
        return "layer_norms"
    return "weights" if is_decayed(spec.name) else "biases"
