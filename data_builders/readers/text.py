"""Plain text: a paragraph a line, a blank line between documents."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from data_builders.documents import Record, plain_paragraphs
from data_builders.readers.reader import Reader, decoded


class TextReader(Reader):
    """Documents are numbered from 0; there are no titles."""

    name: ClassVar[str] = "text"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        lines: list[str] = []
        number = 0
        for raw in file:
            line = decoded(raw, tally).removeprefix("\ufeff").strip()
            if line:
                lines.append(line)
            elif lines:
                yield Record(str(number), "\n".join(lines))
                lines, number = [], number + 1
        if lines:
            yield Record(str(number), "\n".join(lines))

    def paragraphs(self, text: str) -> list[str]:
        return plain_paragraphs(text)
