"""Decoded lines of a file, of bounded length; unreadable bytes are removed and counted."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from data_builders.readers.files import Unreadable
from ernie_paddle.text.cleaning import REPLACEMENT

BAD_BYTES = "with bad bytes"
NUL = "NUL"
VERY_LONG_LINE = "very long line"
MAX_LINE_BYTES = 1 << 20
MIN_LOST_BYTES = 10  # unreadable bytes at which a file may be in another encoding
MAX_LOST_SHARE = 0.005  # of the bytes; German in Latin-1 has about 0.015
MAX_LOST_BYTES = 1 << 20  # unreadable bytes after which the file is checked before its end


@dataclass
class Legibility:
    """Statistics that tell whether a file is UTF-8 text.

    Attributes:
        size: bytes in total.
        lost: bytes that could not be decoded.
        further: continuation bytes, the second and later bytes of a character.
        replaced: replacement characters, which an earlier decoding of the text has left.
    """

    size: int = 0
    lost: int = 0
    further: int = 0
    replaced: int = 0

    def add(self, size: int, lost: int, further: int, replaced: int = 0) -> None:
        self.size += size
        self.lost += lost
        self.further += further
        self.replaced += replaced
        if lost and self.lost > MAX_LOST_BYTES:
            self.check()

    def check(self) -> None:
        """Check that the file is UTF-8 text, possibly with a few bad bytes.

        A file in another encoding has many lost bytes, compared with the non-ASCII characters that can be decoded by
        chance. A file that is more than half unreadable is not text.

        Raises:
            Unreadable: the file is in another encoding or not text.
        """
        unreadable = self.lost + len(REPLACEMENT.encode()) * self.replaced
        in_another = (
            self.lost >= MIN_LOST_BYTES and self.lost > MAX_LOST_SHARE * self.size and 2 * self.lost > self.further
        )
        if in_another or 2 * unreadable > self.size:
            raise Unreadable(f"{unreadable:,} of {self.size:,} bytes cannot be read as UTF-8")


def text_lines(file: BinaryIO, tally: Counter[str], longest: int = MAX_LINE_BYTES) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a file without line ends, and whether the line ends there.

    A line of more than `longest` bytes is yielded in several pieces and counted once; only its last piece is marked as
    the end. NUL and bytes that are not UTF-8 are removed, and the lines that contain them are counted. A byte-order
    mark at the start of a line is removed.

    Raises:
        Unreadable: too little of the file is UTF-8 text.
    """
    rest, in_long_line, legibility = b"", False, Legibility()
    while raw := file.readline(longest):
        whole = raw.endswith(b"\n") or len(raw) < longest
        raw, rest = (rest + raw, b"") if whole else _before_character(rest + raw)
        if not whole and not in_long_line:
            tally[VERY_LONG_LINE] += 1
        in_long_line = not whole
        yield _decoded(raw, tally, legibility), whole
    if in_long_line:
        yield _decoded(rest, tally, legibility), True
    legibility.check()


def check_legible(raw: bytes) -> None:
    """Check the beginning of a file.

    Raises:
        Unreadable: too little of it is UTF-8 text.
    """
    legibility = Legibility()
    _decoded(raw, Counter(), legibility)
    legibility.check()


def _before_character(raw: bytes) -> tuple[bytes, bytes]:
    """Split off an incomplete character at the end of bytes."""
    for back in range(1, min(4, len(raw)) + 1):
        if raw[-back] & 0xC0 == 0xC0:
            return raw[:-back], raw[-back:]
        if raw[-back] & 0xC0 != 0x80:
            break
    return raw, b""


def _decoded(raw: bytes, tally: Counter[str], legibility: Legibility) -> str:
    """Decode a line; count it in `tally` if bytes are lost, and add its bytes to `legibility`."""
    size, raw = len(raw), raw.rstrip(b"\r\n")
    zeros = raw.count(0)
    if zeros:
        tally[NUL] += 1
        raw = raw.replace(b"\x00", b"")
    try:
        text = raw.decode("utf-8")
        lost = 0
    except UnicodeDecodeError:
        text = raw.decode("utf-8", errors="ignore")
        lost = len(raw) - len(text.encode())
    replaced = text.count(REPLACEMENT)
    if lost or replaced:
        tally[BAD_BYTES] += 1
    legibility.add(size, zeros + lost, len(raw) - lost - len(text) - 2 * replaced, replaced)
    return text.removeprefix("\ufeff")
