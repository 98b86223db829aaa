"""What a corpus format is, and reading a whole corpus with one."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, ClassVar

from data_builders.documents import Document, Language, Record, clean, plain_paragraphs
from data_builders.readers.files import Damaged, Unreadable, beginning, opened
from data_builders.readers.finding import Found, corpus_files
from data_builders.readers.lines import check_legible
from ernie_paddle.errors import UserError
from ernie_paddle.text.encodings import not_utf8

NOT_AN_ARTICLE = "not an article"
UNREADABLE = "unreadable"
NO_TEXT = "no text"
VERY_LONG_DOCUMENT = "very long document, cut"
LONGEST_DOCUMENT = 1_000_000  # characters


class Reader(ABC):
    """A corpus format.

    Finding the records is the part that one process must do; taking markup out of a record's text can be
    done by many. A reader holds no state.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    variants: ClassVar[tuple[str, ...]] = ()  # of a language, where the format holds several
    variant: str | None = None  # the one that is kept

    def in_variant(self, variant: str) -> "Reader":
        """This reader, keeping another of its `variants`."""
        reader = copy(self)
        reader.variant = variant
        return reader

    @abstractmethod
    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        """Stream the records of an open file. What is passed over or repaired is counted in `tally`."""

    def paragraphs(self, text: str) -> list[str]:
        """The plain paragraphs in a record's text, a line each; a format with markup takes it out here."""
        return plain_paragraphs(text)


@dataclass(frozen=True)
class Source:
    """A raw corpus: where it is and how to read it. `path` is a file, a folder or a pattern (`finding.py`).

    `encoding` is that of its files, None for UTF-8.
    """

    name: str
    path: Path
    reader: Reader
    language: Language
    encoding: str | None = None

    @cached_property
    def found(self) -> Found:
        """The corpus's files and what was passed over.

        Raises:
            UserError: there are none.
        """
        return corpus_files(self.path, self.reader.suffixes)

    @cached_property
    def files(self) -> list[Path]:
        """The corpus's files in the order in which they are read.

        Raises:
            UserError: there are none, or there is nothing in them.
        """
        files = self.found.files
        if not any(file.stat().st_size for file in files):
            raise UserError(f"{self.path}: corpus is empty; give a file with text")
        return files

    @cached_property
    def size(self) -> int:
        """Bytes of the files, as they are on disk."""
        return sum(file.stat().st_size for file in self.files)

    def records(self, tally: Counter[str], progress: Callable[[int], None] = lambda read: None) -> Iterator[Record]:
        """Stream the records of all files; `progress` is told how many bytes have been read.

        A record of more than `LONGEST_DOCUMENT` characters is cut between lines into several.

        Raises:
            UserError: a file cannot be read, or is in another encoding.
        """
        before = 0
        for path in self.files:
            prefix = f"{path.name}:" if len(self.files) > 1 else ""
            try:
                if self.encoding is None:
                    check_legible(beginning(path))
                with opened(path, self.encoding) as (content, file):
                    for record in self.reader.records(content, tally):
                        progress(before + file.tell())
                        for part, text in enumerate(_parts(record.text, tally)):
                            number = f"{prefix}{record.id}" + (f".{part}" if part else "")
                            yield Record(number, text, record.title, record.label)
            except Unreadable as error:
                raise self._in_another_encoding(path, error) from None
            except Damaged as error:
                raise UserError(f"{path}: {error}; fetch the file again") from None
            before += path.stat().st_size

    def document(self, record: Record) -> Document | None:
        """The document in a record, None if there is no text in it."""
        paragraphs = self.reader.paragraphs(record.text)
        if not paragraphs:
            return None
        title = clean(record.title) if record.title else None
        return Document(record.id, paragraphs, self.language, self.name, title, record.label)

    def documents(self) -> Iterator[Document]:
        """Stream the documents that hold text.

        Raises:
            UserError: a file cannot be read, or none of the documents holds text.
        """
        found = False
        for record in self.records(Counter()):
            document = self.document(record)
            if document is not None:
                found = True
                yield document
        if not found:
            raise self.without_text()

    def _in_another_encoding(self, path: Path, error: Unreadable) -> UserError:
        if self.encoding:
            return UserError(f"{path}: not in the encoding '{self.encoding}' that was given: {error}")
        advice = "give its encoding (key 'encoding' of the corpus, --encoding of vocab) or convert it to UTF-8"
        return UserError(f"{path}: {not_utf8(beginning(path))}: {error}; {advice}")

    def without_text(self) -> UserError:
        """The error for a corpus in which nothing usable was found."""
        return UserError(
            f"{self.path}: no document with text in it, read as '{self.reader.name}'; check the file and its format"
        )


def _parts(text: str, tally: Counter[str]) -> Iterator[str]:
    if len(text) <= LONGEST_DOCUMENT:
        yield text
        return
    tally[VERY_LONG_DOCUMENT] += 1
    start = 0
    while start < len(text):
        end = start + LONGEST_DOCUMENT
        border = text.rfind("\n", start, end) + 1 if end < len(text) else len(text)
        yield text[start : border or end]
        start = border or end
