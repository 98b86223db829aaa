"""Files that are either whole or not there: written beside, synced, renamed."""

import glob
import hashlib
import json
import math
import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ernie_paddle.errors import UserError
from ernie_paddle.stopping import signals_held_back
from ernie_paddle.text.encodings import not_utf8

_PARTIAL = re.compile(r"\.(?P<written>.+)\.(?P<process>\d+)\.partial")  # as `_beside` names it


@contextmanager
def errors_name(path: Path | str, beside: Path | None = None) -> Iterator[None]:
    """Let an `OSError` that names no file, or one in `beside`, name `path`, the output that people know."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # an input's, such as gzip's
            raise
        named = error.filename
        if named is None or (beside is not None and Path(os.fsdecode(named)).is_relative_to(beside)):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


@contextmanager
def written_whole(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only when the block ends without error."""
    beside = _beside(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    with errors_name(path, beside):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, mode, **text) as file:  # type: ignore[call-overload]
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
            _sync(path.parent)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Fill a new folder beside `path`; it takes the name `path` only when the block ends without error."""
    beside = _beside(path)
    with errors_name(path, beside):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        try:
            yield beside
            renamed_whole(beside, path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _beside(path: Path) -> Path:
    """Return where a file or folder is written before it takes its name; what dead processes left there is removed."""
    begin, end = f".{path.name}.{socket.gethostname()}.", ".partial"
    for other in path.parent.glob(glob.escape(begin) + "*" + end):
        number = other.name.removeprefix(begin).removesuffix(end)
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            remove(other)
    beside = path.with_name(f"{begin}{os.getpid()}{end}")
    remove(beside)
    return beside


def remove_left_over(folder: Path) -> None:
    """Remove what killed processes, of this machine or of others, were writing anywhere in a folder.

    What another living process of this machine writes stays: it is at work in a folder within this one.
    """
    here = "." + socket.gethostname()
    for path in list(folder.rglob(".*.partial")):
        if found := _PARTIAL.fullmatch(path.name):
            number = int(found["process"])
            if not (found["written"].endswith(here) and number != os.getpid() and Path(f"/proc/{number}").exists()):
                remove(path)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def renamed_whole(folder: Path, path: Path) -> None:
    """Give a finished folder the name `path`, in the place of one that has it; all is on disk before."""
    for written in (*sorted(folder.rglob("*")), folder):
        _sync(written)
    before = _beside(path.with_name(f"{path.name}.before"))
    with signals_held_back():  # so that one of the two is there
        if path.exists():
            os.replace(path, before)
        os.replace(folder, path)
    _sync(path.parent)
    remove(before)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(path: Path, what: str) -> str:
    """Read a UTF-8 text, its line ends as they are; `what` names the file's role in the error.

    Raises:
        UserError: the file is missing or not such a text.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: {what} not found") from None
    except OSError as error:
        raise UserError(f"{path}: {what} cannot be read: {error.strerror}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: {what} cannot be read: {not_utf8(raw)}; convert the file to UTF-8") from None


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a UTF-8 text, as `lines_of` cuts it.

    Raises:
        UserError: see `read_text`.
    """
    return lines_of(read_text(path, what))


def lines_of(text: str) -> list[str]:
    r"""The lines of a text without their ends: a line feed ends a line, carriage returns before it belong to the end.

    `str.splitlines` also cuts at U+2028, U+0085, form feeds and others, which stand within the lines of vocabularies
    and corpora, and text files opened without `newline` at a carriage return anywhere.
    """
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object; `what` names the file's role in the error.

    Raises:
        UserError: the file is missing or is not a JSON object.
    """
    try:
        value = json.loads(read_text(path, what))
    except RecursionError:
        raise UserError(f"{path}: {what} cannot be read: nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{path}: {what} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: {what} should hold one JSON object, found {type(value).__name__}")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with a final newline, whole or not at all."""
    with written_whole(path) as file:
        file.write(as_json(value, indent=2) + "\n")


def as_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON, which has no infinite numbers and no NaN: they become null."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
