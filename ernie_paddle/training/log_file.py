"""What a run leaves for reports: its log, a JSON object a line with `event` and `update`, and its result."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from ernie_paddle.checksums import read_sealed, write_sealed
from ernie_paddle.errors import UserError
from ernie_paddle.files import as_json, written_whole

LOG_FILE = "log.jsonl"
RESULT_FILE = "result.json"  # of a fine-tuning run: scores of the best model, by file


class LogRecord(BaseModel):
    """What every record of a log has; there are other keys beside those of the classes here."""

    event: str
    update: int


class TaskFigures(BaseModel):
    """Of a task in a `train` record; the loss is None if updates were left out that were not finite."""

    loss: float | None
    accuracy: float
    labels: int


class HeldOutFigures(TaskFigures):
    """Of a task in an `evaluation` record."""

    loss: float
    prior_loss: float
    prior_accuracy: float
    chance_loss: float


class TrainRecord(LogRecord):
    """Updates since the record before."""

    event: Literal["train"]
    stage: int
    updates: dict[str, int]
    tasks: dict[str, TaskFigures]
    tokens: int
    seconds: float


class EvaluationRecord(LogRecord):
    """Held-out scores after a stage."""

    event: Literal["evaluation"]
    stage: int
    tasks: dict[str, HeldOutFigures]


SHAPES: dict[str, type[LogRecord]] = {"train": TrainRecord, "evaluation": EvaluationRecord}


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a log; a last line cut short by a kill is left out.

    Raises:
        UserError: another line is not a record.
    """
    *lines, _ = path.read_bytes().split(b"\n")
    return [_record(line, f"{path} line {number}") for number, line in enumerate(lines, 1)]


def _record(line: bytes, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
        event = str(record.get("event")) if isinstance(record, dict) else ""
        SHAPES.get(event, LogRecord).model_validate(record)
    except (ValueError, RecursionError, TypeError) as error:
        fault = error.errors()[0] if isinstance(error, ValidationError) else None
        reason = f"key '{'.'.join(map(str, fault['loc']))}': {fault['msg']}" if fault else "not JSON"
        raise UserError(f"{where}: damaged ({reason}); remove the line, or the file to go on without it") from None
    return dict(record)


def drop_records_after(path: Path, update: int) -> None:
    """Keep only the records up to an update."""
    if not path.exists():
        return
    kept = [record for record in read_log(path) if record["update"] <= update]
    with written_whole(path) as file:
        file.writelines(as_json(record) + "\n" for record in kept)


def write_result(run: Path, result: dict[str, Any]) -> None:
    """Write the result of a finished fine-tuning run into its folder, with a checksum."""
    write_sealed(run / RESULT_FILE, result)


def read_result(run: Path) -> dict[str, Any]:
    """Read the result of a finished fine-tuning run.

    Raises:
        UserError: there is none, or it is damaged.
    """
    try:
        return read_sealed(run / RESULT_FILE, "result of a finished fine-tuning run")
    except UserError as error:
        raise UserError(
            f"{error}; finish the run, or have it written again: finetune ... --out {run} --resume"
        ) from None
