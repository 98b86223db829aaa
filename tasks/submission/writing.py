"""Writing predictions as the zip that a leaderboard expects."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, read_text
from tasks.submission.benchmarks import SubmissionFile
from tasks.submission.checking import check_zip, compare, shortened
from tasks.submission.layouts import JsonObject, Layout, Tsv
from tasks.submission.prediction_types import ExpectedRow, Text

EARLIEST_TIME = (1980, 1, 1, 0, 0, 0)  # in a zip; a fixed time makes equal predictions give equal bytes


def write_submission(
    predictions: Path, files: Sequence[SubmissionFile], data: Path, out: Path, partial: bool
) -> tuple[dict[str, int], list[str]]:
    """Write the predictions of a folder as a zip. Return the number of rows of each file, and all errors.

    If there are errors, nothing is written.

    Raises:
        UserError: predictions are missing (unless `partial`), or a test file is missing.
    """
    present = _present(predictions, files, partial)
    errors: list[str] = []
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in present:
            rows, file_errors = _leaderboard_rows(predictions / file.predictions, file, file.expected_rows(data))
            errors += file_errors
            if not file_errors:
                info = zipfile.ZipInfo(file.name, EARLIEST_TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, file.layout.write(rows))
    if errors:
        return {}, errors
    counts, errors = check_zip(buffer, files, data, partial)
    if not errors:
        with atomic_write(out, "wb") as stream:
            stream.write(buffer.getvalue())
    return counts, errors


def _present(predictions: Path, files: Sequence[SubmissionFile], partial: bool) -> list[SubmissionFile]:
    if not predictions.is_dir():
        raise UserError(f"{predictions}: not found; name a folder with predictions")
    present = [file for file in files if (predictions / file.predictions).is_file()]
    missing = [file.predictions for file in files if file not in present and not file.optional]
    if not present or (missing and not partial):
        advice = "" if not present else "; use --partial to submit the others"
        used = {file.predictions for file in files}
        unused = sorted(path.name for path in predictions.iterdir() if path.suffix in (".tsv", ".json"))
        unused = [name for name in unused if name not in used]
        others = f"; unused: {', '.join(unused)}" if unused else ""
        raise UserError(f"{predictions}: missing predictions: {', '.join(missing)}{others}{advice}")
    return present


def _leaderboard_rows(
    path: Path, file: SubmissionFile, expected: list[ExpectedRow]
) -> tuple[list[tuple[ExpectedRow, Any]], list[str]]:
    """Return each row of the test file with its prediction in the leaderboard's form, or the errors."""

    def error_of(predicted: Any, row: ExpectedRow) -> str | None:
        if not isinstance(predicted, str):
            return f"{predicted!r} is not a text"
        try:
            return file.type.error(file.type.leaderboard_value(predicted), row)
        except ValueError as error:
            return str(error)

    layout: Layout = JsonObject() if isinstance(file.type, Text) else Tsv()
    content = layout.read(read_text(path, "predictions"))
    errors = shortened(compare(content, expected, error_of), str(path))
    if errors:
        return [], errors
    if content.keyed:
        by_id = {row.id: row.value for row in content.rows}
        values = [by_id[str(row.id)] for row in expected]
    else:
        values = [row.value for row in content.rows]
    return [(row, file.type.leaderboard_value(value)) for row, value in zip(expected, values, strict=True)], []
