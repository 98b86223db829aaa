"""Predictions to the zip that a leaderboard takes."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_text, written_whole
from tasks.submission.answers import Item, Text
from tasks.submission.benchmarks import SubmissionFile
from tasks.submission.checking import check_zip, compare, shortened
from tasks.submission.layouts import JsonObject, Layout, Tsv

YEAR_ZERO = (1980, 1, 1, 0, 0, 0)  # of zips: equal predictions give equal bytes


def write_submission(
    predictions: Path, files: Sequence[SubmissionFile], data: Path, out: Path, partial: bool
) -> tuple[dict[str, int], list[str]]:
    """Write the predictions of a folder as a zip: rows of each file, and mistakes; with mistakes nothing is written.

    Raises:
        UserError: predictions are missing (unless `partial`), or a test file is not there.
    """
    present = _present(predictions, files, partial)
    problems: list[str] = []
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in present:
            rows, wrong = _official_rows(predictions / file.predictions, file, file.items(data))
            problems += wrong
            if not wrong:
                info = zipfile.ZipInfo(file.name, YEAR_ZERO)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, file.layout.write(rows))
    if problems:
        return {}, problems
    counts, problems = check_zip(buffer, files, data, partial)
    if not problems:
        with written_whole(out, "wb") as stream:
            stream.write(buffer.getvalue())
    return counts, problems


def _present(predictions: Path, files: Sequence[SubmissionFile], partial: bool) -> list[SubmissionFile]:
    if not predictions.is_dir():
        raise UserError(f"{predictions}: no folder with predictions there")
    present = [file for file in files if (predictions / file.predictions).is_file()]
    missing = [file.predictions for file in files if file not in present and not file.optional]
    if not present or (missing and not partial):
        advice = "" if not present else "; give --partial to submit the others"
        used = {file.predictions for file in files}
        unused = sorted(path.name for path in predictions.iterdir() if path.suffix in (".tsv", ".json"))
        unused = [name for name in unused if name not in used]
        found = f"; of no use: {', '.join(unused)}" if unused else ""
        raise UserError(f"{predictions}: missing predictions: {', '.join(missing)}{found}{advice}")
    return present


def _official_rows(path: Path, file: SubmissionFile, items: list[Item]) -> tuple[list[tuple[Item, Any]], list[str]]:
    """Each item with its prediction as the leaderboard takes it, in the order of the test file; or mistakes."""

    def problem_of(predicted: Any, item: Item) -> str | None:
        if not isinstance(predicted, str):
            return f"{predicted!r} is not a text"
        try:
            return file.answer.problem(file.answer.official(predicted), item)
        except ValueError as error:
            return str(error)

    layout: Layout = JsonObject() if isinstance(file.answer, Text) else Tsv()
    content = layout.read(read_text(path, "predictions"))
    problems = shortened(compare(content, items, problem_of), str(path))
    if problems:
        return [], problems
    if content.keyed:
        by_id = {entry.id: entry.value for entry in content.entries}
        values = [by_id[str(item.id)] for item in items]
    else:
        values = [entry.value for entry in content.entries]
    return [(item, file.answer.official(value)) for item, value in zip(items, values, strict=True)], []
