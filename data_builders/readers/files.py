"""The files of a corpus: one file, a folder or a pattern; compressed or not."""

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ernie_paddle.errors import UserError

_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
PACKED_SUFFIXES = ("", ".gz", ".bz2", ".xz")
UNPACKING_ERRORS = (EOFError, OSError, lzma.LZMAError, zlib.error)


class Damaged(Exception):
    """A file that is not whole, or not what it should be; the text says what is wrong."""


def corpus_files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The files that `path` stands for, in the order of their names.

    A folder stands for all files in it, at any depth, whose names end in one of `suffixes`, compressed or not;
    a path with `*`, `?` or `[` for all files that match (`**` for any folders).

    Raises:
        UserError: there is none.
    """
    if path.is_dir():
        endings = tuple(suffix + packed for suffix in suffixes for packed in PACKED_SUFFIXES)
        found = [file for file in path.rglob("*") if file.is_file() and file.name.endswith(endings)]
        if not found:
            raise UserError(f"{path}: no file in this folder ends in {', '.join(suffixes)}")
        return sorted(found)
    if path.exists():
        return [path]
    if any(sign in str(path) for sign in "*?["):
        found = [file for file in Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))) if file.is_file()]
        if not found:
            raise UserError(f"{path}: no file matches this pattern")
        return sorted(found)
    raise UserError(f"{path}: corpus not found; check the path, it is relative to the current folder")


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a corpus file: its bytes, decompressed if need be, and the file itself, whose `tell` shows the progress.

    Raises:
        UserError: not readable.
        Damaged: not a whole compressed file.
    """
    with _open(path) as file:
        start = file.peek(6)[:6]
        unpack = next((kind for magic, kind in _PACKED.items() if start.startswith(magic)), None)
        if unpack is None:
            yield file, file
            return
        try:
            yield io.BufferedReader(unpack(file)), file
        except UNPACKING_ERRORS as error:
            raise Damaged(f"not a whole compressed file: {error}") from None


def _open(path: Path) -> io.BufferedReader:
    try:
        return open(path, "rb")
    except OSError as error:
        raise UserError(f"{path}: corpus cannot be read: {error.strerror}") from None


def digest(files: list[Path]) -> tuple[int, str]:
    """How many bytes the files have together, and the SHA-256 of their bytes one after the other.

    Raises:
        UserError: one is not readable.
    """
    result, size = hashlib.sha256(), 0
    for path in files:
        with _open(path) as file:
            while block := file.read(1 << 20):
                result.update(block)
                size += len(block)
    return size, result.hexdigest()
