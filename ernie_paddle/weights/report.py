"""What became of every tensor of a source."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from rich.table import Table

from ernie_paddle.errors import UserError
from ernie_paddle.weights.layout import Source
from ernie_paddle.weights.names import COPIES, Name, Part


class Outcome(Enum):
    """What became of one tensor; a tied one is the same as another."""

    MATCHED = "matched"
    TIED = "tied"
    MISSING = "missing"
    LEFT_OVER = "left over"
    OTHER_SHAPE = "another shape"


@dataclass(frozen=True)
class Line:
    """A tensor's name there and here, empty where it has none, and its shape or shapes."""

    theirs: str
    ours: str
    shape: str
    outcome: Outcome
    part: Part | None = None


@dataclass
class Report:
    """A line a tensor, in our order, then what is left over; notes are sentences about the whole."""

    where: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise where the model could not be used.

        Raises:
            UserError: tensors of another shape, or encoder tensors missing.
        """
        odd = self._with(Outcome.OTHER_SHAPE)
        if odd:
            raise UserError(
                f"{self.where}: {odd[0].theirs} is {odd[0].shape} ({len(odd)} tensors of another shape); "
                "the configuration must be that of the weights, see --config"
            )
        missing = [line for line in self._with(Outcome.MISSING) if line.part is Part.ENCODER]
        if missing:
            raise UserError(
                f"{self.where}: {len(missing)} encoder tensors are missing, the first is {missing[0].theirs}"
            )

    def table(self) -> Table:
        """All lines, and how many there are of each outcome."""
        counts = Counter(line.outcome for line in self.lines)
        totals = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
        table = Table("there", "here", "shape", "outcome", title=self.where, caption=totals)
        for line in self.lines:
            table.add_row(line.theirs, line.ours, line.shape, line.outcome.value)
        return table

    def _with(self, outcome: Outcome) -> list[Line]:
        return [line for line in self.lines if line.outcome is outcome]


def match(source: Source) -> tuple[dict[str, np.ndarray], Report]:
    """The parameters of a source under our names and in our orientation, and what became of every tensor.

    Raises:
        UserError: a tensor that holds no numbers, or numbers that are not finite.
    """
    parameters: dict[str, np.ndarray] = {}
    report = Report(str(source.where), notes=list(source.notes))
    for name in source.names:
        if name.theirs in source.tensors:
            values = source.tensors[name.theirs]
            fits = _fits(values.shape[::-1] if name.transposed else values.shape, name)
            outcome = Outcome.MATCHED if fits else Outcome.OTHER_SHAPE
            report.lines.append(Line(name.theirs, name.ours, _shapes(values, name, fits), outcome, name.part))
            if fits:
                parameters[name.ours] = _checked(source, name, values)
        elif name.part is not Part.OTHER_HEAD:
            report.lines.append(Line(name.theirs, name.ours, _wanted(name), Outcome.MISSING, name.part))
    copies = COPIES[source.library]
    for left in sorted(source.tensors.keys() - {name.theirs for name in source.names}):
        original, values = copies.get(left, ""), source.tensors[left]
        is_copy = original in parameters and np.array_equal(parameters[original], values)
        outcome = Outcome.TIED if is_copy else Outcome.LEFT_OVER
        report.lines.append(Line(left, original, str(list(values.shape)), outcome))
        if original and not is_copy:
            report.notes.append(f"{left} differs from {original}, which the masked-LM head here takes in its place")
    report.notes += _missing_parts(report)
    return parameters, report


def _missing_parts(report: Report) -> list[str]:
    """A sentence for each part that is not there or not whole."""
    notes = []
    for part in (Part.TASK_EMBEDDING, Part.POOLER, Part.MASKED_LM):
        missing = [line for line in report.lines if line.part is part and line.outcome is Outcome.MISSING]
        if missing and all(line.outcome is Outcome.MISSING for line in report.lines if line.part is part):
            notes.append(f"there is no {part.value}")
        elif missing:
            notes.append(f"the {part.value} is not whole: {', '.join(line.theirs for line in missing)} missing")
    return notes


def _fits(shape: tuple[int, ...], name: Name) -> bool:
    pairs = zip(shape, name.shape, strict=False)
    return len(shape) == len(name.shape) and all(wanted in (None, size) for size, wanted in pairs)


def _shapes(values: np.ndarray, name: Name, fits: bool) -> str:
    there = str(list(values.shape))
    return there if fits else f"{there}, expected {_wanted(name)}"


def _wanted(name: Name) -> str:
    """The shape that is expected there."""
    sizes = ("any" if size is None else str(size) for size in name.shape)
    return f"[{', '.join(reversed(list(sizes)) if name.transposed else sizes)}]"


def _checked(source: Source, name: Name, values: np.ndarray) -> np.ndarray:
    if values.dtype != np.float32:
        raise UserError(f"{source.where}: {name.theirs} holds {values.dtype}, expected floats")
    if not np.isfinite(values).all():
        raise UserError(f"{source.where}: {name.theirs} holds values that are not finite; the file is damaged")
    return np.ascontiguousarray(values.T if name.transposed else values)
