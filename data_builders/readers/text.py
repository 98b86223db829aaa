"""Plain text: a paragraph a line, a blank line between documents."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from data_builders.documents import Record
from data_builders.readers.lines import text_lines
from data_builders.readers.reader import LONGEST_DOCUMENT, VERY_LONG_DOCUMENT, Reader


class TextReader(Reader):
    """Documents are numbered from 0; there are no titles."""

    name: ClassVar[str] = "text"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        lines: list[str] = []
        number = characters = 0
        for line, _ in text_lines(file, tally):
            line = line.strip()
            full = characters > LONGEST_DOCUMENT
            if full:
                tally[VERY_LONG_DOCUMENT] += 1
            if lines and (full or not line):
                yield self._record(number, lines)
                lines, characters, number = [], 0, number + 1
            if line:
                lines.append(line)
                characters += len(line)
        if lines:
            yield self._record(number, lines)

    def _record(self, number: int, lines: list[str]) -> Record:
        return Record(str(number), "\n".join(lines))


class TitledTextReader(TextReader):
    """The same, and the first line of each document is its title."""

    name: ClassVar[str] = "titled_text"

    def _record(self, number: int, lines: list[str]) -> Record:
        return Record(str(number), "\n".join(lines[1:]), lines[0])
