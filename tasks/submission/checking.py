"""Whether predictions and zips fit the test files; mistakes are lines that name the file and the row."""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ernie_paddle.errors import UserError
from tasks.submission.answers import Item
from tasks.submission.benchmarks import SubmissionFile
from tasks.submission.layouts import Content

MOST_BYTES = 100_000_000  # of a file in a zip; the largest, QQP.tsv, has 4 million
MOST_LINES = 20  # mistakes named of a file


def check_zip(
    archive: Path | IO[bytes], files: Sequence[SubmissionFile], data: Path, partial: bool
) -> tuple[dict[str, int], list[str]]:
    """Check a submission against the test files: rows of each file found, and mistakes.

    With `partial`, files may be missing.

    Raises:
        UserError: not a zip, or a test file is not there or cannot be read.
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
        problems = list(_wrong_names(names, files, partial))
        for member in members.infolist():
            file = known.pop(member.filename, None)
            if file is not None:
                items = file.items(data)
                rows[file.name] = len(items)
                problems += _problems_of_member(members, member, file, items)
    return rows, problems


def compare(content: Content, items: list[Item], problem_of: Callable[[Any, Item], str | None]) -> Iterator[str]:
    """What is wrong with the predictions of a file: of form, number, ids and values."""
    yield from content.problems
    if len(content.entries) != len(items):
        yield f"{len(content.entries):,} predictions, the test file has {len(items):,} rows"
    if content.keyed:
        yield from _compare_by_id(content, items, problem_of)
        return
    for entry, item in zip(content.entries, items, strict=False):
        if entry.problem:
            yield f"{entry.place}: {entry.problem}"
        elif str(entry.id) != str(item.id):
            yield f"{entry.place}: the index is {entry.id!r}, the test file has {item.id!r} there"
        elif problem := problem_of(entry.value, item):
            yield f"{entry.place}: {problem}"


def shortened(problems: Iterator[str], name: str) -> list[str]:
    """The first problems of a file, each with its name, and how many there are beside."""
    lines = [f"{name} {problem}" for problem in islice(problems, MOST_LINES)]
    more = sum(1 for _ in problems)
    return [*lines, f"{name}: and {more:,} more"] if more else lines


def _compare_by_id(content: Content, items: list[Item], problem_of: Callable[[Any, Item], str | None]) -> Iterator[str]:
    wanted = {str(item.id): item for item in items}
    seen = set()
    for entry in content.entries:
        if entry.id in seen:
            yield f"{entry.place}: stands there twice"
        elif entry.id not in wanted:
            yield f"{entry.place}: the test file has no such id"
        elif problem := problem_of(entry.value, wanted[entry.id]):
            yield f"{entry.place}: {problem}"
        seen.add(entry.id)
    yield from (f"{id!r}: no prediction" for id in wanted if id not in seen)


def _wrong_names(names: list[str], files: Sequence[SubmissionFile], partial: bool) -> Iterator[str]:
    known = {file.name for file in files}
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield f"{name}: stands in the zip {names.count(name)} times"
        if name not in known:
            in_folder = Path(name).name in known
            yield f"{name}: " + ("files stand at the top of the zip, not in a folder" if in_folder else "unknown name")
    for file in files:
        if file.name not in names and not (partial or file.optional):
            yield f"{file.name}: missing"


def _problems_of_member(
    members: zipfile.ZipFile, member: zipfile.ZipInfo, file: SubmissionFile, items: list[Item]
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
    return shortened(compare(file.layout.read(text), items, file.answer.problem), file.name)
