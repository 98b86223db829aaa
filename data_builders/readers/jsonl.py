"""JSON lines: one object per line with `text`, whose lines are paragraphs, and optionally `title`."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from data_builders.documents import Record
from data_builders.readers.lines import text_lines
from data_builders.readers.reader import UNREADABLE, Reader
from ernie_paddle.text.cleaning import load_json

LONE_SURROGATES = "with lone surrogates"
MAX_OBJECT_BYTES = 1 << 26  # bytes of a line


class JsonLinesReader(Reader):
    """A reader of JSON lines. Ids are line numbers from 0; other lines are skipped and counted."""

    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".json")

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        number, cut = 0, False
        for line, whole in text_lines(file, tally, MAX_OBJECT_BYTES):
            if cut or not whole:  # the object is too long to be read
                cut = not whole
                number += whole
                continue
            if line.strip():
                fields, surrogates = _object(line)
                if fields is None:
                    tally[UNREADABLE] += 1
                else:
                    if surrogates:
                        tally[LONE_SURROGATES] += 1
                    title = fields.get("title")
                    yield Record(str(number), fields["text"], title if isinstance(title, str) else None)
            number += 1


def _object(line: str) -> tuple[dict[str, str] | None, int]:
    """Return the object of a line, None unless it has a text, and the number of lone surrogates in it."""
    try:
        content, surrogates = load_json(line)
    except (ValueError, RecursionError):
        return None, 0
    return (content if isinstance(content, dict) and isinstance(content.get("text"), str) else None), surrogates
