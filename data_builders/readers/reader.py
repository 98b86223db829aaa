"""The interface of corpus formats, and reading a raw corpus in one."""

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
from data_builders.readers.finding import CorpusFiles, corpus_files
from data_builders.readers.lines import check_legible
from ernie_paddle.errors import UserError
from ernie_paddle.text.encodings import not_utf8

NOT_AN_ARTICLE = "not an article"
UNREADABLE = "unreadable"
NO_TEXT = "no text"
VERY_LONG_DOCUMENT = "very long document, cut"
MAX_DOCUMENT_LENGTH = 1_000_000  # characters


class Reader(ABC):
    """A corpus format.

    `records` runs in one process; `paragraphs`, which removes markup, runs in the workers. A reader has no state.

    Attributes:
        suffixes: suffixes of file names.
        variants: language variants that a file may contain side by side.
        variant: the variant to keep.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    variants: ClassVar[tuple[str, ...]] = ()
    variant: str | None = None

    def in_variant(self, variant: str) -> "Reader":
        """Return a reader that keeps another of the `variants`."""
        reader = copy(self)
        reader.variant = variant
        return reader

    @abstractmethod
    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        """Stream the records of an open file; count in `tally` what is skipped or repaired, by reason."""

    def paragraphs(self, text: str) -> list[str]:
        """Return the paragraphs of a record's text. A format with markup removes it here."""
        return plain_paragraphs(text)


@dataclass(frozen=True)
class RawCorpus:
    """A raw corpus: its location and how to read it.

    Attributes:
        path: a file, a folder or a pattern (see `finding.py`).
        encoding: the encoding of its files; None for UTF-8.
    """

    name: str
    path: Path
    reader: Reader
    language: Language
    encoding: str | None = None

    @cached_property
    def resolved(self) -> CorpusFiles:
        """The files of the corpus, and the number of skipped names.

        Raises:
            UserError: there are none.
        """
        return corpus_files(self.path, self.reader.suffixes)

    @cached_property
    def files(self) -> list[Path]:
        """The files of the corpus in the order in which they are read.

        Raises:
            UserError: there are none, or they are empty.
        """
        files = self.resolved.files
        if not any(file.stat().st_size for file in files):
            raise UserError(f"{self.path}: corpus is empty; give a file with text")
        return files

    @cached_property
    def size(self) -> int:
        """The size of the files on disk in bytes."""
        return sum(file.stat().st_size for file in self.files)

    def records(
        self, tally: Counter[str], progress: Callable[[int], None] = lambda bytes_read: None
    ) -> Iterator[Record]:
        """Stream the records of all files; `progress` is called with the number of bytes read.

        A record of more than `MAX_DOCUMENT_LENGTH` characters is cut at line ends into several records.

        Raises:
            UserError: a file cannot be read or is in another encoding.
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
                        for piece, text in enumerate(_pieces(record.text, tally)):
                            record_id = f"{prefix}{record.id}" + (f".{piece}" if piece else "")
                            yield Record(record_id, text, record.title, record.label)
            except Unreadable as error:
                raise self._in_another_encoding(path, error) from None
            except Damaged as error:
                raise UserError(f"{path}: {error}; fetch the file again") from None
            before += path.stat().st_size

    def document(self, record: Record) -> Document | None:
        """Return the document of a record; None if it has no text."""
        paragraphs = self.reader.paragraphs(record.text)
        if not paragraphs:
            return None
        title = clean(record.title) if record.title else None
        return Document(record.id, paragraphs, self.language, self.name, title, record.label)

    def documents(self) -> Iterator[Document]:
        """Stream the documents that have text.

        Raises:
            UserError: a file cannot be read, or no document has text.
        """
        empty = True
        for record in self.records(Counter()):
            document = self.document(record)
            if document is not None:
                empty = False
                yield document
        if empty:
            raise self.without_text()

    def _in_another_encoding(self, path: Path, error: Unreadable) -> UserError:
        if self.encoding:
            return UserError(f"{path}: not in the encoding '{self.encoding}' that was given: {error}")
        advice = "give its encoding (key 'encoding' of the corpus, --encoding of vocab) or convert it to UTF-8"
        return UserError(f"{path}: {not_utf8(beginning(path))}: {error}; {advice}")

    def without_text(self) -> UserError:
        """Return the error for a corpus without usable text."""
        return UserError(
            f"{self.path}: no document with text when read as '{self.reader.name}'; check the file and its format"
        )


def _pieces(text: str, tally: Counter[str]) -> Iterator[str]:
    """Cut a text of more than `MAX_DOCUMENT_LENGTH` characters, at line ends where possible."""
    if len(text) <= MAX_DOCUMENT_LENGTH:
        yield text
        return
    tally[VERY_LONG_DOCUMENT] += 1
    start = 0
    while start < len(text):
        end = start + MAX_DOCUMENT_LENGTH
        line_end = text.rfind("\n", start, end) + 1 if end < len(text) else len(text)
        yield text[start : line_end or end]
        start = line_end or end
