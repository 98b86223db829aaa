"""The formats of files of predictions: GLUE's TSV, CLUE's JSON lines, and one JSON object.

Each is written and read. Reading returns the rows, and the errors in the format of the file.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ernie_paddle.files import split_lines
from tasks.submission.prediction_types import ExpectedRow


class PredictedRow(NamedTuple):
    """A prediction in a file: its place (`line 3`), its id and its value, or the error in its format."""

    place: str
    id: Any
    value: Any
    error: str | None = None


@dataclass
class PredictionFile:
    """The predictions of a file, and the errors in its format.

    With `keyed`, predictions are identified by their id, otherwise by their order.
    """

    keyed: bool
    rows: list[PredictedRow] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Layout(Protocol):
    """The format of a file of predictions."""

    def write(self, rows: Iterable[tuple[ExpectedRow, Any]]) -> str:
        """Return the text of a file with these rows and their values."""

    def read(self, text: str) -> PredictionFile:
        """Return the predictions of a file."""


class Tsv:
    """TSV with the header `index<TAB>prediction`."""

    HEADER = ("index", "prediction")

    def write(self, rows: Iterable[tuple[ExpectedRow, Any]]) -> str:
        return "".join(f"{id}\t{value}\n" for id, value in (self.HEADER, *((row.id, value) for row, value in rows)))

    def read(self, text: str) -> PredictionFile:
        header, *lines = split_lines(text) or [""]
        content = PredictionFile(keyed=False)
        if tuple(header.split("\t")) != self.HEADER:
            expected = "\t".join(self.HEADER)
            content.errors.append(f"line 1: the header is {header!r}, expected {expected!r}")
        for number, line in enumerate(lines, 2):
            fields = line.split("\t")
            error = None if len(fields) == len(self.HEADER) else f"{len(fields)} fields, expected {len(self.HEADER)}"
            content.rows.append(PredictedRow(f"line {number}", fields[0], fields[-1], error))
        return content


class JsonLines:
    """JSON lines, `{"id": ..., "label": ...}`. Further keys are allowed, since CLUE's baselines write some."""

    def write(self, rows: Iterable[tuple[ExpectedRow, Any]]) -> str:
        lines = (json.dumps({"id": row.id, "label": value}, ensure_ascii=False) for row, value in rows)
        return "".join(f"{line}\n" for line in lines)

    def read(self, text: str) -> PredictionFile:
        content = PredictionFile(keyed=False)
        for number, line in enumerate(split_lines(text), 1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            place = f"line {number}"
            if isinstance(row, dict) and {"id", "label"} <= set(row):
                content.rows.append(PredictedRow(place, row["id"], row["label"]))
            else:
                error = "expected a JSON object with the keys 'id' and 'label'"
                content.rows.append(PredictedRow(place, None, None, error))
        return content


class JsonObject:
    """One object, `{id: value, ...}`."""

    def write(self, rows: Iterable[tuple[ExpectedRow, Any]]) -> str:
        return json.dumps({str(row.id): value for row, value in rows}, ensure_ascii=False, indent=1) + "\n"

    def read(self, text: str) -> PredictionFile:
        content = PredictionFile(keyed=True)
        try:
            pairs = json.loads(text, object_pairs_hook=list)  # a dict would hide repeated ids
        except (ValueError, RecursionError) as error:
            content.errors.append(f"not JSON: {error}")
            return content
        if not text.lstrip().startswith("{"):
            content.errors.append("not one JSON object")
            return content
        content.rows += [PredictedRow(f"{id!r}", id, value) for id, value in pairs]
        return content
