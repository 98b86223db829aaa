"""Readers of the user's dictionaries and gazetteers, which extend the span finders."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_lines
from ernie_paddle.registry import nearest

# The tags of jieba's dictionary, and those that its tagger gives to words that are not in it.
TAGS = frozenset(
    "a ad ag an b c d df dg e en eng f g h i in j jn k l ln m mg mq n ng nr nrfg nrt ns nt nz o p q qe qg r rg rr rz "
    "s t tg u ud ug uj ul uv uz v vd vg vi vn vq w x y yg z zg".split()
)
_WORD = re.compile(r"(.+?)(?:[ \t]+([0-9]+))?(?:[ \t]+([a-z]+))?")
_NUMBER_INSIDE = re.compile(r"\s[0-9]+\s")
KINDS = {"person": "nr", "place": "ns", "organisation": "nt", "name": "nz"}


@dataclass(frozen=True)
class LexiconEntry:
    """A word or name.

    Attributes:
        tag: one of jieba's tags; None keeps the tag that jieba gives.
        frequency: None lets jieba suggest a frequency.
    """

    word: str
    tag: str | None = None
    frequency: int | None = None


def read_dictionary(path: Path) -> list[LexiconEntry]:
    """Read a user dictionary of jieba: one word per line, optionally followed by its frequency and its tag.

    As in jieba, a word may contain blanks. Only a frequency and a tag at the end of the line are not part of it.

    Raises:
        UserError: the file cannot be read, or a line is malformed.
    """
    entries = []
    for number, line in _lines(path):
        match = _WORD.fullmatch(line.strip())
        if match is None or (match[2] is None and _NUMBER_INSIDE.search(line)):
            advice = "a word that contains a number needs a frequency"
            raise UserError(f"{path} line {number}: expected 'word [frequency] [tag]', found {line!r}; {advice}")
        word, frequency, tag = match.groups()
        if tag and tag not in TAGS:
            advice = (
                "if it is part of the word, write a frequency after it"
                if frequency is None
                else "see jieba's dictionary"
            )
            raise UserError(f"{path} line {number}: '{tag}' is not a tag of jieba; {advice}")
        entries.append(LexiconEntry(" ".join(word.split()), tag, int(frequency) if frequency else None))
    return entries


def read_gazetteer(path: Path) -> list[LexiconEntry]:
    """Read a gazetteer: one name per line, optionally followed by a TAB and its kind.

    The kinds are person, place, organisation and name (the default).

    Raises:
        UserError: the file cannot be read, a kind is unknown, or a name has no letter or digit.
    """
    entries = []
    for number, line in _lines(path):
        name, _, kind = line.partition("\t")
        kind = kind.strip() or "name"
        if kind not in KINDS:
            raise UserError(f"{path} line {number}: unknown kind of name '{kind}'{nearest(kind, list(KINDS))}")
        if not any(map(str.isalnum, name)):
            raise UserError(f"{path} line {number}: a name needs a letter or digit, found {name!r}")
        entries.append(LexiconEntry(" ".join(name.split()), KINDS[kind]))
    return entries


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    lines = [(number, line) for number, line in enumerate(read_lines(path, "word list"), 1) if line.strip()]
    if not lines:
        raise UserError(f"{path}: the word list is empty; add words or remove it from the config")
    return iter(lines)
