"""The files of a run that reports read: its log, with a JSON object on each line, and its result."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from ernie_paddle.checksums import read_sealed, write_sealed
from ernie_paddle.config_errors import explain
from ernie_paddle.errors import UserError
from ernie_paddle.files import as_json, atomic_write

LOG_FILE, TENSORBOARD = "log.jsonl", "tensorboard"
RESULT_FILE = "result.json"  # scores of a fine-tuning run's best model by set


class LogRecord(BaseModel):
    """The keys of every log record. Records have further keys that are not checked."""

    event: str
    step: int


class TaskScores(BaseModel):
    """A task's scores in a `train` record. The loss is None if a step with a non-finite loss was skipped."""

    loss: float | None
    accuracy: float
    labels: int


class HeldOutScores(TaskScores):
    """A task's scores in an `evaluation` record. The baselines are None if it has no fixed number of classes."""

    loss: float
    unigram_loss: float | None
    majority_accuracy: float | None
    uniform_loss: float | None


class BestStep(BaseModel):
    """The step with the best held-out value so far."""

    step: int
    value: float


class TrainRecord(LogRecord):
    """The steps since the previous record: `steps` and `samples` by primary task, `auxiliary_steps` of other tasks."""

    event: Literal["train"]
    stage: int
    steps: dict[str, int]
    auxiliary_steps: dict[str, int]
    samples: dict[str, int]
    tasks: dict[str, TaskScores]
    tokens: int
    seconds: float


class EvaluationRecord(LogRecord):
    """Held-out scores after a step, and the best step so far of a run that compares them."""

    event: Literal["evaluation"]
    stage: int
    tasks: dict[str, HeldOutScores]
    best: BestStep | None


class StopRecord(LogRecord):
    """Why a run stopped before the end of its plan."""

    event: Literal["stop"]
    stage: int
    reason: str


RECORD_TYPES: dict[str, type[LogRecord]] = {"train": TrainRecord, "evaluation": EvaluationRecord, "stop": StopRecord}


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the records of a log, without an incomplete last line as a killed run leaves it.

    Raises:
        UserError: another line is not a record.
    """
    *lines, _ = path.read_bytes().split(b"\n")
    return [_record(line, f"{path} line {number}") for number, line in enumerate(lines, 1)]


def _record(line: bytes, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise _damaged(where, "not JSON") from None
    record_type = RECORD_TYPES.get(str(record.get("event")), LogRecord) if isinstance(record, dict) else LogRecord
    try:
        record_type.model_validate(record)
    except ValidationError as error:
        raise _damaged(where, explain(record_type, record, error)) from None
    return dict(record)


def _damaged(where: str, reason: str) -> UserError:
    return UserError(f"{where}: damaged ({reason}); remove the line, or remove the file to resume without it")


def drop_records_after(path: Path, step: int) -> None:
    """Remove the records after `step`."""
    if path.exists():
        _write_records(path, read_log(path), step)


def copy_log(run: Path, out: Path, step: int) -> None:
    """Begin the log of a run in `out` with the records of another run up to `step`, and with its TensorBoard events."""
    _write_records(out / LOG_FILE, read_log(run / LOG_FILE) if (run / LOG_FILE).exists() else [], step)
    for events in (run / TENSORBOARD).glob("events.*"):  # TensorBoard drops those after `step` when it reads the next
        with atomic_write(out / TENSORBOARD / events.name, "wb") as file:
            file.write(events.read_bytes())


def _write_records(path: Path, records: list[dict[str, Any]], step: int) -> None:
    """Write a log with the records up to `step`."""
    with atomic_write(path) as file:
        file.writelines(as_json(record) + "\n" for record in records if record["step"] <= step)


def selected_and_test(result: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the scores of the set that selected a result's best model, and those of its first test set, if any."""
    sets = result["sets"]
    return sets[result["selected_on"]], next((sets[name] for name in sets if name.startswith("test")), None)


def write_result(run: Path, result: dict[str, Any]) -> None:
    """Write the result of a finished fine-tuning run to its folder, with a checksum."""
    write_sealed(run / RESULT_FILE, result)


def read_result(run: Path) -> dict[str, Any]:
    """Read the result of a finished fine-tuning run.

    Raises:
        UserError: there is no result, or it is damaged.
    """
    try:
        return read_sealed(run / RESULT_FILE, "result of a finished fine-tuning run")
    except UserError as error:
        raise UserError(
            f"{error}; finish the run, or write the result again: finetune ... --out {run} --resume"
        ) from None
