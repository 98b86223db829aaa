"""Raw text on its way in: records as a reader finds them, documents as the rest of the package sees them."""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]

_UNREADABLE = re.compile("[\x00\ufffd\ud800-\udfff]")


@dataclass(frozen=True)
class Record:
    """One document as it stands in its file; `text` may still hold the format's markup.

    `label`: see `Document`.
    """

    id: str
    text: str
    title: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Document:
    """One document of plain text, a string a paragraph; `source` names the corpus.

    With a `label` it is a labelled pair: its two paragraphs belong together as the label says, and neither is cut
    into sentences.
    """

    id: str
    paragraphs: list[str]
    language: Language
    source: str
    title: str | None = None
    label: str | None = None

    def content(self) -> int:
        """A 63-bit hash of text and label: equal for exact duplicates, whatever their id, title or corpus."""
        return hash_of("\n".join(self.paragraphs if self.label is None else [*self.paragraphs, self.label]).encode())


def hash_of(content: bytes) -> int:
    """A 63-bit hash, the same wherever it is computed."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") >> 1


def clean(text: str) -> str:
    """Take out NUL, the sign for undecodable bytes and lone surrogates."""
    return _UNREADABLE.sub("", text) if _UNREADABLE.search(text) else text


def plain_paragraphs(text: str) -> list[str]:
    """A paragraph a line; blank lines dropped, blanks inside a line collapsed."""
    lines = (" ".join(line.split()) for line in clean(text).split("\n"))
    return [line for line in lines if line]
