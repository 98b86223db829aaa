"""The check of predictions and zips against the test files. Errors are lines that name the file and the row."""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ernie_paddle.errors import UserError
from tasks.submission.benchmarks import SubmissionFile
from tasks.submission.layouts import PredictionFile
from tasks.submission.prediction_types import ExpectedRow

MOST_BYTES = 100_000_000  # of a file in a zip; the largest, QQP.tsv, has 4 million
MOST_LINES = 20  # errors listed per file


def check_zip(
    archive: Path | IO[bytes], files: Sequence[SubmissionFile], data: Path, partial: bool
) -> tuple[dict[str, int], list[str]]:
    """Check a submission against the test files. Return the number of rows of each file, and all errors.

    With `partial`, files may be missing.

    Raises:
        UserError: `archive` is not a zip, or a test file is missing or cannot be read.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except FileNotFoundError:
        raise UserError(f"{archive}: not found") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{archive}: cannot be read as a zip: {error}") from None
    known = {file.name: file for file in files}
    rows: dict[str, int] = {}
    with opened as members:
        names = members.namelist()
        errors = list(_wrong_names(names, files, partial))
        for member in members.infolist():
            file = known.pop(member.filename, None)
            if file is not None:
                expected = file.expected_rows(data)
                rows[file.name] = len(expected)
                errors += check_member(members, member, file, expected)
    return rows, errors


def compare(
    content: PredictionFile, expected: list[ExpectedRow], error_of: Callable[[Any, ExpectedRow], str | None]
) -> Iterator[str]:
    """Yield the errors of a file's predictions: in format, number, ids and values.

    `error_of` returns the error of a value for an expected row, or None.
    """
    yield from content.errors
    if len(content.rows) != len(expected):
        yield f"{len(content.rows):,} predictions, the test file has {len(expected):,} rows"
    if content.keyed:
        yield from _compare_by_id(content, expected, error_of)
        return
    for entry, row in zip(content.rows, expected, strict=False):
        if entry.error:
            yield f"{entry.place}: {entry.error}"
        elif str(entry.id) != str(row.id):
            yield f"{entry.place}: the index is {entry.id!r}, the test file has {row.id!r}"
        elif error := error_of(entry.value, row):
            yield f"{entry.place}: {error}"


def shortened(errors: Iterator[str], name: str) -> list[str]:
    """Return the first errors of a file, each with the file's name, and the number of the others."""
    lines = [f"{name} {error}" for error in islice(errors, MOST_LINES)]
    more = sum(1 for _ in errors)
    return [*lines, f"{name}: and {more:,} more"] if more else lines


def _compare_by_id(
    content: PredictionFile, expected: list[ExpectedRow], error_of: Callable[[Any, ExpectedRow], str | None]
) -> Iterator[str]:
    rows = {str(row.id): row for row in expected}
    seen = set()
    for entry in content.rows:
        if entry.id in seen:
            yield f"{entry.place}: occurs twice"
        elif entry.id not in rows:
            yield f"{entry.place}: the test file has no such id"
        elif error := error_of(entry.value, rows[entry.id]):
            yield f"{entry.place}: {error}"
        seen.add(entry.id)
    yield from (f"{id!r}: no prediction" for id in rows if id not in seen)


def _wrong_names(names: list[str], files: Sequence[SubmissionFile], partial: bool) -> Iterator[str]:
    known = {file.name for file in files}
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield f"{name}: occurs {names.count(name)} times in the zip"
        if name not in known:
            in_folder = Path(name).name in known
            yield f"{name}: " + ("move it from its folder to the top of the zip" if in_folder else "unknown name")
    for file in files:
        if file.name not in names and not (partial or file.optional):
            yield f"{file.name}: missing"


def check_member(
    members: zipfile.ZipFile, member: zipfile.ZipInfo, file: SubmissionFile, expected: list[ExpectedRow]
) -> list[str]:
    try:
        with members.open(member) as stream:
            content = stream.read(MOST_BYTES + 1)
    except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        return [f"{file.name}: cannot be unpacked: {error}"]
    if len(content) > MOST_BYTES:
        return [f"{file.name}: more than {MOST_BYTES:,} bytes"]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return [f"{file.name}: not UTF-8: {error}"]
    return shortened(compare(file.layout.read(text), expected, file.type.error), file.name)
