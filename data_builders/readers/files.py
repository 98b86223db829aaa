"""Files of a corpus as UTF-8: compressed or not, in whatever encoding."""

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
from ernie_paddle.text.encodings import SAMPLE

_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
PACKED_SUFFIXES = ("", ".gz", ".bz2", ".xz")
BLOCK = 1 << 18
_BAD_BYTE = "ernie_paddle.bad_byte"
UNPACKING_ERRORS = (EOFError, OSError, lzma.LZMAError, zlib.error)


class Damaged(Exception):
    """A file that is not whole, or not what it should be; the text says what is wrong."""


class Unreadable(Damaged):
    """A file of which too little is text in UTF-8."""


@contextmanager
def opened(path: Path, encoding: str | None = None) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a corpus file: its bytes, decompressed if need be, and the file itself, whose `tell` shows the progress.

    With an `encoding` the bytes are UTF-8 made of it; what cannot be decoded is not UTF-8 in them either.

    Raises:
        UserError: not readable.
        Damaged: not a whole compressed file.
    """
    with _open(path) as file:
        start = file.peek(6)[:6]
        unpack = next((kind for magic, kind in _PACKED.items() if start.startswith(magic)), None)
        if unpack is None:
            yield _recoded(file, encoding), file
            return
        try:
            yield _recoded(io.BufferedReader(unpack(file)), encoding), file
        except UNPACKING_ERRORS as error:
            raise Damaged(f"not a whole compressed file: {error}") from None


def beginning(path: Path) -> bytes:
    """The first bytes of a corpus file, decompressed; none if it cannot be, which reading it tells."""
    with suppress(Damaged), opened(path) as (content, _):
        return content.read(SAMPLE)
    return b""


def _recoded(file: io.BufferedReader, encoding: str | None) -> io.BufferedReader:
    return file if encoding is None else io.BufferedReader(_Recoded(file, encoding), 4 * BLOCK)


class _Recoded(io.RawIOBase):
    """The bytes of a file in another encoding as UTF-8; a byte that no UTF-8 has alone for what cannot be decoded."""

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
    """Pass over what cannot be decoded by way of a lone surrogate, which becomes a lone byte."""
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
