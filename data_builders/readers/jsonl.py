"""JSON lines: an object a line with `text` (lines are paragraphs) and, if there is one, `title`."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from data_builders.documents import Record
from data_builders.readers.lines import text_lines
from data_builders.readers.reader import UNREADABLE, Reader

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
                item = _object(line)
                if item is None:
                    tally[UNREADABLE] += 1
                else:
                    title = item.get("title")
                    yield Record(str(number), item["text"], title if isinstance(title, str) else None)
            number += 1


def _object(line: str) -> dict[str, str] | None:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) and isinstance(item.get("text"), str) else None
