"""Atomic writing of files and folders, and reading of text and JSON."""

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

_PARTIAL = re.compile(r"\.(?P<target>.+)\.(?P<process>\d+)\.partial")  # the names that `_partial_path` gives


@contextmanager
def os_errors_naming(path: Path | str, partial: Path | None = None) -> Iterator[None]:
    """Let an `OSError` without a file name, or with one in `partial`, name `path`, which the user knows."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # an error about an input, such as gzip's
            raise
        named = error.filename
        if named is None or (partial is not None and Path(os.fsdecode(named)).is_relative_to(partial)):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file for writing; it appears as `path` only when the block ends without an error."""
    partial = _partial_path(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    with os_errors_naming(path, partial):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(partial, mode, **text) as file:  # type: ignore[call-overload]
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
            _sync(path.parent)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Create a folder for the block to fill; it appears as `path` only when the block ends without an error."""
    partial = _partial_path(path)
    with os_errors_naming(path, partial):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        try:
            yield partial
            atomic_rename(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _partial_path(path: Path) -> Path:
    """Return the temporary path for writing a file or folder, and remove those that dead processes left."""
    begin, end = f".{path.name}.{socket.gethostname()}.", ".partial"
    for other in path.parent.glob(glob.escape(begin) + "*" + end):
        number = other.name.removeprefix(begin).removesuffix(end)
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            remove(other)
    partial = path.with_name(f"{begin}{os.getpid()}{end}")
    remove(partial)
    return partial


def remove_partial_files(folder: Path) -> None:
    """Remove the partial files anywhere in a folder that killed processes left, on this machine or others.

    Keeps those of other running processes on this machine, which may work in a subfolder.
    """
    this_host = "." + socket.gethostname()
    for path in list(folder.rglob(".*.partial")):
        if match := _PARTIAL.fullmatch(path.name):
            number = int(match["process"])
            is_running = number != os.getpid() and Path(f"/proc/{number}").exists()
            if not (match["target"].endswith(this_host) and is_running):
                remove(path)


def remove(path: Path) -> None:
    """Remove a file or folder if it exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def atomic_rename(folder: Path, path: Path) -> None:
    """Sync a finished folder to disk, then rename it to `path`; an existing folder of that name is replaced."""
    for written in (*sorted(folder.rglob("*")), folder):
        _sync(written)
    before = _partial_path(path.with_name(f"{path.name}.before"))
    with signals_held_back():  # a signal between the two renames would leave no folder
        if path.exists():
            os.replace(path, before)
        os.replace(folder, path)
    _sync(path.parent)
    remove(before)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(path: Path, what: str) -> str:
    """Read a UTF-8 text with unchanged line ends. Errors call the file `what`.

    Raises:
        UserError: the file is missing or not UTF-8.
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
    """Read the lines of a UTF-8 text, as `split_lines` splits it.

    Raises:
        UserError: the file is missing or not UTF-8.
    """
    return split_lines(read_text(path, what))


def split_lines(text: str) -> list[str]:
    r"""Split a text at line feeds, and strip the carriage returns before them.

    Lines of vocabularies and corpora may contain U+2028, U+0085 or form feeds, at which `str.splitlines` splits too.
    Text files that are opened without `newline` also split at any carriage return.
    """
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object. Errors call the file `what`.

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
    """Write indented JSON with a final newline, atomically."""
    with atomic_write(path) as file:
        file.write(as_json(value, indent=2) + "\n")


def as_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON, with null for NaN and infinite numbers, which JSON does not have."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
