"""The report of a conversion: the status of every tensor of the source model."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from rich.table import Table

from ernie_paddle.errors import UserError
from ernie_paddle.weights.layout import SourceModel
from ernie_paddle.weights.names import COPIES, Library, ParameterName, Part


class TensorStatus(Enum):
    """The status of a tensor of the source model."""

    MATCHED = "matched"
    TIED = "tied"  # equal to a matched tensor
    MISSING = "missing"
    UNEXPECTED = "unexpected"
    MISMATCHED = "mismatched"  # of another shape


@dataclass(frozen=True)
class ReportedTensor:
    """A tensor's name in the source and here, empty if it has none, and its shape or shapes."""

    theirs: str
    ours: str
    shape: str
    status: TensorStatus
    part: Part | None = None


@dataclass
class ConversionReport:
    """The tensors in our order, then the unexpected and tied ones; `notes` are sentences about the model."""

    where: str
    tensors: list[ReportedTensor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Check that the model can be used.

        Raises:
            UserError: tensors are mismatched, or encoder tensors are missing.
        """
        mismatched = self.with_status(TensorStatus.MISMATCHED)
        if mismatched:
            first = mismatched[0]
            raise UserError(
                f"{self.where}: {first.theirs} is {first.shape} (mismatched tensors: {len(mismatched)}); "
                "the configuration must be that of the weights, see --config"
            )
        missing = [tensor for tensor in self.with_status(TensorStatus.MISSING) if tensor.part is Part.ENCODER]
        if missing:
            raise UserError(
                f"{self.where}: {len(missing)} encoder tensors are missing, the first is {missing[0].theirs}"
            )

    def table(self) -> Table:
        """Return a table of all tensors, with the number of each status as its caption."""
        counts = Counter(tensor.status for tensor in self.tensors)
        totals = ", ".join(f"{counts[status]} {status.value}" for status in TensorStatus)
        table = Table("source tensor", "parameter", "shape", "status", title=self.where, caption=totals)
        for tensor in self.tensors:
            table.add_row(tensor.theirs, tensor.ours, tensor.shape, tensor.status.value)
        return table

    def with_status(self, status: TensorStatus) -> list[ReportedTensor]:
        """Return the tensors with this status."""
        return [tensor for tensor in self.tensors if tensor.status is status]


def match(source: SourceModel) -> tuple[dict[str, np.ndarray], ConversionReport]:
    """Match a source's tensors with our parameters; return the parameters in our names and orientation, and a report.

    Raises:
        UserError: a matched tensor does not hold floats, or holds values that are not finite.
    """
    parameters: dict[str, np.ndarray] = {}
    report = ConversionReport(str(source.where), notes=list(source.notes))
    for name in source.names:
        if name.theirs in source.tensors:
            values = source.tensors[name.theirs]
            fits = _fits(values.shape[::-1] if name.transposed else values.shape, name)
            status = TensorStatus.MATCHED if fits else TensorStatus.MISMATCHED
            shape = str(list(values.shape)) + ("" if fits else f", expected {_expected_shape(name)}")
            report.tensors.append(ReportedTensor(name.theirs, name.ours, shape, status, name.part))
            if fits:
                parameters[name.ours] = _checked(source, name, values)
        elif name.part is not Part.OTHER_HEAD:
            shape = _expected_shape(name)
            report.tensors.append(ReportedTensor(name.theirs, name.ours, shape, TensorStatus.MISSING, name.part))
    _match_copies(source, parameters, report)
    report.notes += [*_unregistered(source.library, report), *_missing_parts(report)]
    return parameters, report


def _match_copies(source: SourceModel, parameters: dict[str, np.ndarray], report: ConversionReport) -> None:
    """Report the tensors without a parameter of ours: tied to another one, or unexpected."""
    copies = COPIES[source.library]
    for theirs in sorted(source.tensors.keys() - {name.theirs for name in source.names}):
        original, values = copies.get(theirs, ""), source.tensors[theirs]
        is_copy = original in parameters and np.array_equal(parameters[original], values)
        status = TensorStatus.TIED if is_copy else TensorStatus.UNEXPECTED
        report.tensors.append(ReportedTensor(theirs, original, str(list(values.shape)), status))
        if original and not is_copy:
            report.notes.append(f"{theirs} differs from {original}, which the masked-LM head here uses instead")


def _unregistered(library: Library, report: ConversionReport) -> list[str]:
    """Return a sentence about the tensors of layouts with our names that no registered task has."""
    names = [tensor.theirs for tensor in report.with_status(TensorStatus.UNEXPECTED)]
    if not names or library not in ("ours", "release"):
        return []
    return [f"not loaded, since no registered task has such a head: {', '.join(names)}; is its plug-in installed?"]


def _missing_parts(report: ConversionReport) -> list[str]:
    """Return a sentence for each part that is missing or incomplete."""
    notes = []
    for part in (Part.TASK_EMBEDDING, Part.POOLER, Part.MASKED_LM):
        tensors = [tensor for tensor in report.tensors if tensor.part is part]
        missing = [tensor for tensor in tensors if tensor.status is TensorStatus.MISSING]
        if missing and len(missing) == len(tensors):
            notes.append(f"there is no {part.value}")
        elif missing:
            notes.append(f"the {part.value} is incomplete: {', '.join(tensor.theirs for tensor in missing)} missing")
    return notes


def _fits(shape: tuple[int, ...], name: ParameterName) -> bool:
    pairs = zip(shape, name.shape, strict=False)
    return len(shape) == len(name.shape) and all(expected in (None, size) for size, expected in pairs)


def _expected_shape(name: ParameterName) -> str:
    """Return the expected shape of a tensor in the source's orientation."""
    sizes = ("any" if size is None else str(size) for size in name.shape)
    return f"[{', '.join(reversed(list(sizes)) if name.transposed else sizes)}]"


def _checked(source: SourceModel, name: ParameterName, values: np.ndarray) -> np.ndarray:
    if values.dtype != np.float32:
        raise UserError(f"{source.where}: {name.theirs} holds {values.dtype}, expected floats")
    if not np.isfinite(values).all():
        raise UserError(f"{source.where}: {name.theirs} holds values that are not finite; the file is damaged")
    return np.ascontiguousarray(values.T if name.transposed else values)
