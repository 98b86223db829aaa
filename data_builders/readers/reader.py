"""What a corpus format is, and reading a whole file with one."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, ClassVar

from data_builders.documents import Document, Language, Record
from ernie_paddle.errors import UserError

BAD_UTF8 = "bad UTF-8"
NOT_AN_ARTICLE = "not an article"
UNREADABLE = "unreadable"
NO_TEXT = "no text"


class Reader(ABC):
    """A corpus format.

    Finding the records is the part that one process must do; taking markup out of a record's text can be
    done by many. A reader holds no state.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        """Stream the records of an open file. What is passed over or repaired is counted in `tally`."""

    @abstractmethod
    def paragraphs(self, text: str) -> list[str]:
        """The plain paragraphs in a record's text."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a corpus file for reading bytes.

    Raises:
        UserError: missing, a folder, not readable, or without a byte in it.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise UserError(f"{path}: corpus not found; check the path, it is relative to the current folder") from None
    except OSError as error:
        raise UserError(f"{path}: corpus cannot be read: {error.strerror}") from None
    with file:
        if not file.peek(1):
            raise UserError(f"{path}: corpus is empty; give a file with text")
        yield file


def read_documents(reader: Reader, path: Path, language: Language, source: str) -> Iterator[Document]:
    """Stream the documents that hold text.

    Raises:
        UserError: the file cannot be read, or none of its documents holds text.
    """
    found = False
    with opened(path) as file:
        for record in reader.records(file, Counter()):
            paragraphs = reader.paragraphs(record.text)
            if paragraphs:
                found = True
                yield Document(record.id, paragraphs, language, source, record.title)
    if not found:
        raise no_documents(path, reader)


def no_documents(path: Path, reader: Reader) -> UserError:
    """The error for a corpus in which nothing usable was found."""
    return UserError(f"{path}: no document with text in it, read as '{reader.name}'; check the file and its format")


def decoded(line: bytes, tally: Counter[str]) -> str:
    """UTF-8 text of a line; bytes that are not UTF-8 are left out and the line is counted."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        tally[BAD_UTF8] += 1
        return line.decode("utf-8", errors="ignore")
