"""Raw text on its way in: records as a reader finds them, documents as the rest of the package sees them."""

import hashlib
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]

_UNREADABLE = dict.fromkeys([0, 0xFFFD, *range(0xD800, 0xE000)])


@dataclass(frozen=True)
class Record:
    """One document as it stands in its file; `text` may still hold the format's markup."""

    id: str
    text: str
    title: str | None = None


@dataclass(frozen=True)
class Document:
    """One document of plain text, a string a paragraph; `source` names the corpus."""

    id: str
    paragraphs: list[str]
    language: Language
    source: str
    title: str | None = None

    def content(self) -> int:
        """A 63-bit hash of the text: equal for exact duplicates, whatever their id, title or corpus."""
        digest = hashlib.blake2b("\n".join(self.paragraphs).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 1


def clean(text: str) -> str:
    """Take out NUL, the sign for undecodable bytes and lone surrogates."""
    return text.translate(_UNREADABLE)


def plain_paragraphs(text: str) -> list[str]:
    """A paragraph a line; blank lines dropped, blanks inside a line collapsed."""
    lines = (" ".join(clean(line).split()) for line in text.split("\n"))
    return [line for line in lines if line]
