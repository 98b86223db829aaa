"""Lines of bytes as text: what cannot be read is left out and counted, and no line is too long for memory."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from data_builders.readers.files import Unreadable
from ernie_paddle.text.cleaning import REPLACEMENT

BAD_BYTES = "with bad bytes"
NUL = "NUL"
VERY_LONG_LINE = "very long line"
LONGEST_LINE = 1 << 20  # bytes
MANY = 10  # bytes that cannot be read
MOST_LOST = 0.005  # share of the bytes; of German in Latin-1 it is some 0.015
MUCH_LOST = 1 << 20  # bytes after which the rest of a file need not be seen


@dataclass
class Legibility:
    """How much of a file is text in UTF-8.

    Of `size` bytes, `lost` could not be read; `further` are the second and later bytes of characters of several;
    `replaced` characters were lost by whoever decoded the text before.
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
        if lost and self.lost > MUCH_LOST:
            self.check()

    def check(self) -> None:
        """Tell a text with a few bad bytes from one in another encoding.

        In the latter the bytes that are lost compare with what is read of characters beyond ASCII, by chance; and they
        are not a few. What is more than half unreadable is no text, whatever made it so.

        Raises:
            Unreadable: it is none.
        """
        unreadable = self.lost + len(REPLACEMENT.encode()) * self.replaced
        in_another = self.lost >= MANY and self.lost > MOST_LOST * self.size and 2 * self.lost > self.further
        if in_another or 2 * unreadable > self.size:
            raise Unreadable(f"{unreadable:,} of {self.size:,} bytes cannot be read as UTF-8")


def text_lines(file: BinaryIO, tally: Counter[str], longest: int = LONGEST_LINE) -> Iterator[tuple[str, bool]]:
    """The lines of a file without their ends, and whether each is whole.

    A line of more than `longest` bytes comes in several pieces, all but the last of which are not whole; it is
    counted once. Bytes that are not UTF-8 and NUL are left out, the lines that hold them are counted; a byte-order mark
    at the start of a line is left out.

    Raises:
        Unreadable: too little of the file is text in UTF-8.
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
    """Look at the beginning of a file.

    Raises:
        Unreadable: too little of it is text in UTF-8.
    """
    legibility = Legibility()
    _decoded(raw, Counter(), legibility)
    legibility.check()


def _before_character(raw: bytes) -> tuple[bytes, bytes]:
    """Cut bytes so that a character begun at their end is left for later."""
    for back in range(1, min(4, len(raw)) + 1):
        if raw[-back] & 0xC0 == 0xC0:
            return raw[:-back], raw[-back:]
        if raw[-back] & 0xC0 != 0x80:
            break
    return raw, b""


def _decoded(raw: bytes, tally: Counter[str], legibility: Legibility) -> str:
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
    replaced = text.count(REPLACEMENT)  # by whoever decoded the text before
    if lost or replaced:
        tally[BAD_BYTES] += 1
    legibility.add(size, zeros + lost, len(raw) - lost - len(text) - 2 * replaced, replaced)
    return text.removeprefix("\ufeff")
