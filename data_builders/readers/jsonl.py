"""JSON lines: an object a line with `text` (lines are paragraphs) and, if there is one, `title`."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from data_builders.documents import Record
from data_builders.readers.lines import text_lines
from data_builders.readers.reader import UNREADABLE, Reader
from ernie_paddle.text.cleaning import load_json

HALF_A_CHARACTER = "with half a character"
LONGEST_OBJECT = 1 << 26  # bytes of a line


class JsonLinesReader(Reader):
    """A document is known by the number of its line, from 0. Lines that are no such object are counted."""

    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".json")

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        number, cut = 0, False
        for line, whole in text_lines(file, tally, LONGEST_OBJECT):
            if cut or not whole:  # an object too long to be read
                cut = not whole
                number += whole
                continue
            if line.strip():
                item, halves = _object(line)
                if item is None:
                    tally[UNREADABLE] += 1
                else:
                    if halves:
                        tally[HALF_A_CHARACTER] += 1
                    title = item.get("title")
                    yield Record(str(number), item["text"], title if isinstance(title, str) else None)
            number += 1


def _object(line: str) -> tuple[dict[str, str] | None, int]:
    """The object of a line, if it is one with a text, and how many lone surrogates it held."""
    try:
        item, halves = load_json(line)
    except (ValueError, RecursionError):
        return None, 0
    return (item if isinstance(item, dict) and isinstance(item.get("text"), str) else None), halves
