"""What users add to the span finder: dictionaries and gazetteers in text files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_lines
from ernie_paddle.registry import nearest

# Of jieba's dictionary, and those of its tagger for words that are not in it.
TAGS = frozenset(
    "a ad ag an b c d df dg e en eng f g h i in j jn k l ln m mg mq n ng nr nrfg nrt ns nt nz o p q qe qg r rg rr rz "
    "s t tg u ud ug uj ul uv uz v vd vg vi vn vq w x y yg z zg".split()
)
_WORD = re.compile(r"(.+?)(?:[ \t]+([0-9]+))?(?:[ \t]+([a-z]+))?")
_FIGURE_INSIDE = re.compile(r"\s[0-9]+\s")
KINDS = {"person": "nr", "place": "ns", "organisation": "nt", "name": "nz"}


@dataclass(frozen=True)
class Entry:
    """A word or name. `tag` is one of jieba's, None to leave it as it is; `frequency` None to have one chosen."""

    word: str
    tag: str | None = None
    frequency: int | None = None


def read_dictionary(path: Path) -> list[Entry]:
    """Read jieba's user dictionary: a word a line, then frequency and tag if wanted, between blanks.

    As in jieba a word may hold blanks: what is no frequency or tag at the end of the line belongs to it.

    Raises:
        UserError: the file cannot be read, or a line is not of that form.
    """
    entries = []
    for number, line in _lines(path):
        found = _WORD.fullmatch(line.strip())
        if found is None or (found[2] is None and _FIGURE_INSIDE.search(line)):
            advice = "a word that holds a figure needs a frequency"
            raise UserError(f"{path} line {number}: expected 'word [frequency] [tag]', found {line!r}; {advice}")
        word, frequency, tag = found.groups()
        if tag and tag not in TAGS:
            advice = "write a frequency after a word that ends so" if frequency is None else "see jieba's dictionary"
            raise UserError(f"{path} line {number}: '{tag}' is none of jieba's tags; {advice}")
        entries.append(Entry(" ".join(word.split()), tag, int(frequency) if frequency else None))
    return entries


def read_gazetteer(path: Path) -> list[Entry]:
    """Read names: one a line, and after a TAB its kind if wanted (person, place, organisation or name).

    Raises:
        UserError: the file cannot be read, a kind is unknown or a name has neither letter nor digit.
    """
    entries = []
    for number, line in _lines(path):
        name, _, kind = line.partition("\t")
        kind = kind.strip() or "name"
        if kind not in KINDS:
            raise UserError(f"{path} line {number}: unknown kind of name '{kind}'{nearest(kind, list(KINDS))}")
        if not any(map(str.isalnum, name)):
            raise UserError(f"{path} line {number}: a name has letters or digits, found {name!r}")
        entries.append(Entry(" ".join(name.split()), KINDS[kind]))
    return entries


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    lines = [(number, line) for number, line in enumerate(read_lines(path, "word list"), 1) if line.strip()]
    if not lines:
        raise UserError(f"{path}: the word list is empty; fill it or leave it out")
    return iter(lines)
