"""Records as readers find them in files, and the documents of plain text made from them."""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]

_UNREADABLE = re.compile("[\x00\ufffd\ud800-\udfff]")


@dataclass(frozen=True)
class Record:
    """A document as it is in its file; `text` may still hold the format's markup. For `label` see `Document`."""

    id: str
    text: str
    title: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Document:
    """A document of plain text.

    Attributes:
        paragraphs: one string per paragraph.
        corpus: the name of its corpus.
        label: None, or the label of a pair of texts, which are the two paragraphs and are not cut into sentences.
    """

    id: str
    paragraphs: list[str]
    language: Language
    corpus: str
    title: str | None = None
    label: str | None = None

    def content(self) -> int:
        """Return a 63-bit hash of text and label, equal for exact duplicates whatever their id, title or corpus."""
        return hash_of("\n".join(self.paragraphs if self.label is None else [*self.paragraphs, self.label]).encode())


def hash_of(content: bytes) -> int:
    """Return a 63-bit hash that is the same on every machine."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") >> 1


def clean(text: str) -> str:
    """Remove NUL, replacement characters and lone surrogates."""
    return _UNREADABLE.sub("", text) if _UNREADABLE.search(text) else text


def plain_paragraphs(text: str) -> list[str]:
    """Return the lines of a text as paragraphs, without blank lines and with runs of blanks collapsed."""
    lines = (" ".join(line.split()) for line in clean(text).split("\n"))
    return [line for line in lines if line]
