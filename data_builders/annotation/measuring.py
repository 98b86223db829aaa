"""Words and names that the span finder gives, measured against a text segmented and tagged by hand.

The text has a line a paragraph, `word/tag` between blanks, with the tags of the People's Daily corpus: `nr` persons,
`ns` places, `nt` organisations. A surname of one or two characters and the given name after it are one person and one
word. What counts is exact: a word or name is right if both its borders, and a name's kind, are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from data_builders.annotation.chinese import ORGANISATION, PERSON, PLACE, ChineseWords, code_of
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_lines

KINDS = {"persons": PERSON, "places": PLACE, "organisations": ORGANISATION}
LONGEST_SURNAME = 2


class Span(NamedTuple):
    """Characters `start` to `end` of a text; `code` is `PERSON`, ... for names."""

    start: int
    end: int
    code: int


@dataclass
class Agreement:
    """How many spans were to be found, were found, and were right."""

    gold: int = 0
    found: int = 0
    right: int = 0

    def add(self, gold: set[Span], found: set[Span]) -> None:
        self.gold += len(gold)
        self.found += len(found)
        self.right += len(gold & found)

    @property
    def precision(self) -> float:
        return self.right / max(self.found, 1)

    @property
    def recall(self) -> float:
        return self.right / max(self.gold, 1)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(self.gold + self.found, 1)


@dataclass
class Measured:
    """Agreement on words and on each kind of name."""

    words: Agreement = field(default_factory=Agreement)
    names: dict[str, Agreement] = field(default_factory=lambda: {kind: Agreement() for kind in KINDS})

    def add(self, gold: list[Span], found: list[Span]) -> None:
        """Add a line: all words of both, with their codes."""
        self.words.add({span._replace(code=0) for span in gold}, {span._replace(code=0) for span in found})
        for kind, code in KINDS.items():
            self.names[kind].add(*({span for span in spans if span.code == code} for spans in (gold, found)))


Finder = Callable[[str], list[Span]]


def measure(path: Path, finders: dict[str, Finder]) -> dict[str, Measured]:
    """Measure finders of words on a tagged text.

    Raises:
        UserError: the file cannot be read or a word has no tag.
    """
    results = {name: Measured() for name in finders}
    for text, gold in tagged_lines(path):
        for name, finder in finders.items():
            results[name].add(gold, finder(text))
    if not any(result.words.gold for result in results.values()):
        raise UserError(f"{path}: no tagged word in it")
    return results


def tagged_lines(path: Path) -> Iterator[tuple[str, list[Span]]]:
    """The text of each line and its words."""
    for number, line in enumerate(read_lines(path, "tagged text"), 1):
        try:
            yield tagged_words(line)
        except ValueError:
            raise UserError(f"{path} line {number}: expected 'word/tag' between blanks") from None


def tagged_words(line: str) -> tuple[str, list[Span]]:
    """The text of a line and its words.

    Raises:
        ValueError: something in it is no `word/tag`.
    """
    words = [tuple(item.rpartition("/")[::2]) for item in line.split()]
    if not all(word and tag for word, tag in words):
        raise ValueError(line)
    return "".join(word for word, _ in words), _gold_spans(words)


def _gold_spans(words: list[tuple[str, ...]]) -> list[Span]:
    spans: list[Span] = []
    place = 0
    surname_before = False
    for word, tag in words:
        code = code_of(tag.lower())
        if code == PERSON and surname_before:
            spans[-1] = spans[-1]._replace(end=place + len(word))
            surname_before = False
        else:
            spans.append(Span(place, place + len(word), code))
            surname_before = code == PERSON and len(word) <= LONGEST_SURNAME
        place += len(word)
    return spans


def jieba_alone(text: str) -> list[Span]:
    """The words and tags of jieba as it comes."""
    import rjieba  # takes long to import

    spans, place = [], 0
    for word, tag in rjieba.tag(text):
        spans.append(Span(place, place + len(word), code_of(tag)))
        place += len(word)
    return spans


def finder_of(words: ChineseWords) -> Finder:
    """The words of the span finder."""

    def find(text: str) -> list[Span]:
        found = words(text)
        borders = pairwise([*found.starts.tolist(), len(text)])
        return [Span(start, end, code) for (start, end), code in zip(borders, found.codes.tolist(), strict=True)]

    return find
