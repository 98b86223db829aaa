"""Plain text: one paragraph per line, documents separated by blank lines."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, ClassVar

from data_builders.documents import Record
from data_builders.readers.lines import text_lines
from data_builders.readers.reader import MAX_DOCUMENT_LENGTH, VERY_LONG_DOCUMENT, Reader


def as_text(documents: Iterable[Sequence[str]]) -> str:
    """Return documents, which are lines, as the readers below read them."""
    return "\n".join("".join(f"{line}\n" for line in lines) for lines in documents)


class TextReader(Reader):
    """A reader of documents without titles. Ids are document numbers from 0."""

    name: ClassVar[str] = "text"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        lines: list[str] = []
        number = characters = 0
        for line, _ in text_lines(file, tally):
            line = line.strip()
            full = characters > MAX_DOCUMENT_LENGTH
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
    """A reader of documents whose first line is their title."""

    name: ClassVar[str] = "titled_text"

    def _record(self, number: int, lines: list[str]) -> Record:
        return Record(str(number), "\n".join(lines[1:]), lines[0])
