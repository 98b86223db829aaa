"""What users add to the span finder: dictionaries and gazetteers in text files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_lines
from ernie_paddle.registry import nearest

KINDS = {"person": "nr", "place": "ns", "organisation": "nt", "name": "nz"}


@dataclass(frozen=True)
class Entry:
    """A word or name. `tag` is one of jieba's, None to leave it as it is; `frequency` None to have one chosen."""

    word: str
    tag: str | None = None
    frequency: int | None = None


def read_dictionary(path: Path) -> list[Entry]:
    """Read jieba's user dictionary: a word a line, then frequency and tag if wanted, between blanks.

    Raises:
        UserError: the file cannot be read, or a line is not of that form.
    """
    entries = []
    for number, line in _lines(path):
        word, *rest = line.split()
        frequency = int(rest.pop(0)) if rest and rest[0].isdigit() else None
        tag = rest.pop(0) if rest and rest[0].isascii() and rest[0].isalpha() else None
        if rest:
            raise UserError(f"{path} line {number}: expected 'word [frequency] [tag]', found {line!r}")
        entries.append(Entry(word, tag, frequency))
    return entries


def read_gazetteer(path: Path) -> list[Entry]:
    """Read names: one a line, and after a TAB its kind if wanted (person, place, organisation or name).

    Raises:
        UserError: the file cannot be read, or a kind is unknown.
    """
    entries = []
    for number, line in _lines(path):
        name, _, kind = line.partition("\t")
        kind = kind.strip() or "name"
        if kind not in KINDS:
            raise UserError(f"{path} line {number}: unknown kind of name '{kind}'{nearest(kind, list(KINDS))}")
        entries.append(Entry(" ".join(name.split()), KINDS[kind]))
    return entries


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(read_lines(path, "word list"), 1):
        if line.strip():
            yield number, line.strip()
