"""Lines of bytes as text: what cannot be read is left out and counted, and no line is too long for memory."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

BAD_UTF8 = "bad UTF-8"
NUL = "NUL"
VERY_LONG_LINE = "very long line"
LONGEST_LINE = 1 << 20  # bytes


def text_lines(file: BinaryIO, tally: Counter[str], longest: int = LONGEST_LINE) -> Iterator[tuple[str, bool]]:
    """The lines of a file without their ends, and whether each is whole.

    A line of more than `longest` bytes comes in several pieces, all but the last of which are not whole; it is
    counted once. Bytes that are not UTF-8 and NUL are left out, the lines that hold them are counted; a byte-order mark
    at the start of a line is left out.
    """
    rest, in_long_line = b"", False
    while raw := file.readline(longest):
        whole = raw.endswith(b"\n") or len(raw) < longest
        raw, rest = (rest + raw, b"") if whole else _before_character(rest + raw)
        if not whole and not in_long_line:
            tally[VERY_LONG_LINE] += 1
        in_long_line = not whole
        yield _decoded(raw, tally), whole
    if in_long_line:
        yield _decoded(rest, tally), True


def _before_character(raw: bytes) -> tuple[bytes, bytes]:
    """Cut bytes so that a character begun at their end is left for later."""
    for back in range(1, min(4, len(raw)) + 1):
        if raw[-back] & 0xC0 == 0xC0:
            return raw[:-back], raw[-back:]
        if raw[-back] & 0xC0 != 0x80:
            break
    return raw, b""


def _decoded(raw: bytes, tally: Counter[str]) -> str:
    if b"\x00" in raw:
        tally[NUL] += 1
        raw = raw.replace(b"\x00", b"")
    raw = raw.rstrip(b"\r\n")
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        tally[BAD_UTF8] += 1
        return raw.decode("utf-8", errors="ignore").removeprefix("\ufeff")
