"""Files of a corpus, decompressed and decoded to UTF-8."""

import bz2
import codecs
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ernie_paddle.errors import UserError
from ernie_paddle.text.encodings import SAMPLE_BYTES

_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
PACKED_SUFFIXES = ("", ".gz", ".bz2", ".xz")
BLOCK = 1 << 18
_BAD_BYTE = "ernie_paddle.bad_byte"
UNPACKING_ERRORS = (EOFError, OSError, lzma.LZMAError, zlib.error)


class Damaged(Exception):
    """Raised for a file that is incomplete or not of its format. The message says what is wrong."""


class Unreadable(Damaged):
    """Raised for a file with too little UTF-8 text."""


@contextmanager
def opened(path: Path, encoding: str | None = None) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a corpus file; yield its decompressed content, and the file itself, whose `tell` gives the progress.

    With an `encoding`, the content is converted to UTF-8; bytes that cannot be decoded become invalid UTF-8.

    Raises:
        UserError: the file cannot be read.
        Damaged: the compressed file is incomplete or damaged.
    """
    with _open(path) as file:
        start = file.peek(6)[:6]
        unpack = next((open_packed for magic, open_packed in _PACKED.items() if start.startswith(magic)), None)
        if unpack is None:
            yield _recoded(file, encoding), file
            return
        try:
            yield _recoded(io.BufferedReader(unpack(file)), encoding), file
        except UNPACKING_ERRORS as error:
            raise Damaged(f"not a whole compressed file: {error}") from None


def beginning(path: Path) -> bytes:
    """Return the first bytes of a corpus file, decompressed; empty if it is damaged, which reading it reports."""
    with suppress(Damaged), opened(path) as (content, _):
        return content.read(SAMPLE_BYTES)
    return b""


def _recoded(file: io.BufferedReader, encoding: str | None) -> io.BufferedReader:
    return file if encoding is None else io.BufferedReader(_Recoded(file, encoding), 4 * BLOCK)


class _Recoded(io.RawIOBase):
    """The bytes of a file converted to UTF-8; what cannot be decoded becomes an invalid byte."""

    def __init__(self, file: io.BufferedReader, encoding: str):
        self._file = file
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(_BAD_BYTE)
        self._rest = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and not self._ended:
            block = self._file.read(BLOCK)
            self._ended = not block
            try:
                self._rest = self._decoder.decode(block, self._ended).encode("utf-8", _BAD_BYTE)
            except UnicodeError as error:
                raise Damaged(f"cannot be read as {self._encoding}: {error}") from None
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _bad_byte(error: UnicodeError) -> tuple[str | bytes, int]:
    """Handle a coding error: decode bad bytes as a lone surrogate, encode a lone surrogate as an invalid byte."""
    if isinstance(error, UnicodeDecodeError):
        return "\udc80", error.end
    if isinstance(error, UnicodeEncodeError):
        return b"\x80" * (error.end - error.start), error.end
    raise error


codecs.register_error(_BAD_BYTE, _bad_byte)


def _open(path: Path) -> io.BufferedReader:
    try:
        return open(path, "rb")
    except OSError as error:
        raise UserError(f"{path}: corpus cannot be read: {error.strerror}") from None


def digest(files: list[Path]) -> tuple[int, str]:
    """Return the total size of files in bytes, and the SHA-256 of their concatenated content.

    Raises:
        UserError: a file cannot be read.
    """
    result, size = hashlib.sha256(), 0
    for path in files:
        with _open(path) as file:
            while block := file.read(1 << 20):
                result.update(block)
                size += len(block)
    return size, result.hexdigest()
