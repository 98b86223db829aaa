"""JSON lines: an object a line with `text` (lines are paragraphs) and, if there is one, `title`."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from data_builders.documents import Record, plain_paragraphs
from data_builders.readers.reader import UNREADABLE, Reader, decoded


class JsonLinesReader(Reader):
    """A document is known by the number of its line, from 0. Lines that are no such object are counted."""

    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl",)

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        for number, raw in enumerate(file):
            line = decoded(raw, tally)
            if not line.strip():
                continue
            try:
                item = json.loads(line)
                text, title = item["text"], item.get("title")
            except (ValueError, TypeError, KeyError):
                text, title = None, None
            if not isinstance(text, str):
                tally[UNREADABLE] += 1
                continue
            yield Record(str(number), text, title if isinstance(title, str) else None)

    def paragraphs(self, text: str) -> list[str]:
        return plain_paragraphs(text)
