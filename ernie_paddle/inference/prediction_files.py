"""Prediction files: a table with a row per input, a JSON object of texts, or JSON lines with predictions in words."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Literal, Protocol

from ernie_paddle.errors import UserError
from ernie_paddle.files import as_json, atomic_write
from ernie_paddle.finetuning_task import FinetuningTask, Prediction, Signature
from ernie_paddle.inputs import BadRow

PredictionFormat = Literal["tsv", "json", "jsonl"]
IN_MEMORY = 1 << 20  # bytes of a table that waits for its header


class PredictionWriter(Protocol):
    """Writes predictions as they come. A `BadRow` keeps its place, without a prediction."""

    def write(self, id: str, prediction: Prediction | BadRow) -> None: ...

    def close(self) -> None:
        """Write what ends the file, and leave it open."""


class TableWriter:
    """A table with the columns `index`, `prediction` and `names`, those of the scores.

    Without `names` the columns are `choice 0`, `choice 1`, and so on. Their number is known at the end; until then the
    rows wait in a temporary file.
    """

    def __init__(self, file: IO[str], names: Sequence[str] | None):
        self._file, self._names, self._most = file, names, 0
        self._rows: IO[Any] = file
        if names is None:
            self._rows = SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8", newline="\n")  # noqa: SIM115
        else:
            file.write(_line("index", "prediction", *names))

    def write(self, id: str, prediction: Prediction | BadRow) -> None:
        text, scores = "", list[str]()
        if isinstance(prediction, Prediction):
            text, scores = prediction_text(prediction.value), [f"{score:.6f}" for score in prediction.scores]
        self._most = max(self._most, len(scores))
        self._rows.write(_line(id, text, *scores, *[""] * (len(self._names or ()) - len(scores))))

    def close(self) -> None:
        if self._names is not None:
            return
        self._file.write(_line("index", "prediction", *(f"choice {i}" for i in range(self._most))))
        self._rows.seek(0)
        for line in self._rows:
            self._file.write(line[:-1] + "\t" * (self._most + 1 - line.count("\t")) + "\n")
        self._rows.close()


class TextsWriter:
    """A JSON object of texts by id, as `ernie_paddle.files.as_json` writes one; null for a row that was not read."""

    def __init__(self, file: IO[str]):
        self._file = file
        self._ids: set[str] = set()

    def write(self, id: str, prediction: Prediction | BadRow) -> None:
        if id in self._ids:
            raise UserError(f"id '{id}' occurs twice; an object of texts cannot hold both, JSON lines can")
        text = None if isinstance(prediction, BadRow) else prediction.value
        self._file.write(("{\n" if not self._ids else ",\n") + f"  {as_json(id)}: {as_json(text)}")
        self._ids.add(id)

    def close(self) -> None:
        self._file.write("\n}\n" if self._ids else "{}\n")


class PredictionLinesWriter:
    """JSON lines with `index` and the prediction in words, or the `error` of a row that could not be read."""

    def __init__(self, file: IO[str]):
        self._file = file

    def write(self, id: str, prediction: Prediction | BadRow) -> None:
        record = {"error": prediction.error} if isinstance(prediction, BadRow) else prediction.as_record()
        self._file.write(as_json({"index": id, **record}) + "\n")

    def close(self) -> None:
        pass


def usual_format(task: FinetuningTask) -> PredictionFormat:
    """Return the format that `ernie-paddle submission` expects of a task's predictions."""
    return "json" if "texts" in task.prediction_types else "tsv"


def score_names(task: FinetuningTask, signature: Signature) -> Sequence[str] | None:
    """Return the names of the scores of a task's predictions; None for choices, whose number varies."""
    return None if task.scored == "choices" else signature.labels or () if task.scored == "labels" else ()


def open_writer(file: IO[str], format: PredictionFormat, names: Sequence[str] | None) -> PredictionWriter:
    """Return a writer for predictions with scores of these names (see `TableWriter`)."""
    if format == "jsonl":
        return PredictionLinesWriter(file)
    return TextsWriter(file) if format == "json" else TableWriter(file, names)


def write_predictions(
    path: Path, ids: Sequence[str], predictions: Sequence[Prediction], task: FinetuningTask, names: Sequence[str] | None
) -> Path:
    """Write predictions with scores of these names to `<path>.json` or `<path>.tsv`, the task's usual format.

    Returns the path written.
    """
    target = path.with_name(f"{path.name}.{usual_format(task)}")
    with atomic_write(target) as file:
        writer = open_writer(file, usual_format(task), names)
        for id, prediction in zip(ids, predictions, strict=True):
            writer.write(id, prediction)
        writer.close()
    return target


def prediction_text(value: Any) -> str:
    """Format a prediction as one field, with blanks between tags and numbers with six significant digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else " ".join(map(str, value)) if isinstance(value, Sequence) else str(value)


def _line(*fields: str) -> str:
    return "\t".join(fields) + "\n"
