"""Precision and recall of words and names on a Chinese text that was segmented and tagged by hand.

The text has one paragraph per line and `word/tag` separated by blanks, with the tags of the People's Daily corpus: `nr`
persons, `ns` places, `nt` organisations. A surname of one or two characters and the given name after it are one word
and one person. A word is correct if both its boundaries are; a name must also have the correct kind.
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
MAX_SURNAME_LENGTH = 2


class TaggedWord(NamedTuple):
    """Characters `start` to `end` of a text; `code` is the category of the word, such as `PERSON`."""

    start: int
    end: int
    code: int


@dataclass
class MatchCounts:
    """The numbers of gold, predicted and correct words."""

    gold: int = 0
    predicted: int = 0
    correct: int = 0

    def add(self, gold: set[TaggedWord], predicted: set[TaggedWord]) -> None:
        self.gold += len(gold)
        self.predicted += len(predicted)
        self.correct += len(gold & predicted)

    @property
    def precision(self) -> float:
        return self.correct / max(self.predicted, 1)

    @property
    def recall(self) -> float:
        return self.correct / max(self.gold, 1)

    @property
    def f1(self) -> float:
        return 2 * self.correct / max(self.gold + self.predicted, 1)


@dataclass
class SpanScores:
    """The counts of all words and of each kind of name."""

    words: MatchCounts = field(default_factory=MatchCounts)
    names: dict[str, MatchCounts] = field(default_factory=lambda: {kind: MatchCounts() for kind in KINDS})

    def add(self, gold: list[TaggedWord], predicted: list[TaggedWord]) -> None:
        """Add the gold and the predicted words of a line."""
        self.words.add({word._replace(code=0) for word in gold}, {word._replace(code=0) for word in predicted})
        for kind, code in KINDS.items():
            self.names[kind].add(*({word for word in words if word.code == code} for words in (gold, predicted)))


Finder = Callable[[str], list[TaggedWord]]


def measure(path: Path, finders: dict[str, Finder]) -> dict[str, SpanScores]:
    """Measure word finders on a tagged text.

    Raises:
        UserError: the file cannot be read, or a word has no tag.
    """
    results = {name: SpanScores() for name in finders}
    for text, gold in tagged_lines(path):
        for name, finder in finders.items():
            results[name].add(gold, finder(text))
    if not any(result.words.gold for result in results.values()):
        raise UserError(f"{path}: no tagged words")
    return results


def tagged_lines(path: Path) -> Iterator[tuple[str, list[TaggedWord]]]:
    """Yield the text of each line and its words."""
    for number, line in enumerate(read_lines(path, "tagged text"), 1):
        try:
            yield tagged_words(line)
        except ValueError:
            raise UserError(f"{path} line {number}: expected 'word/tag' between blanks") from None


def tagged_words(line: str) -> tuple[str, list[TaggedWord]]:
    """Return the text of a tagged line, and its words.

    Raises:
        ValueError: an item of the line is not `word/tag`.
    """
    words = [tuple(item.rpartition("/")[::2]) for item in line.split()]
    if not all(word and tag for word, tag in words):
        raise ValueError(line)
    return "".join(word for word, _ in words), _gold_words(words)


def _gold_words(words: list[tuple[str, ...]]) -> list[TaggedWord]:
    gold: list[TaggedWord] = []
    start = 0
    surname_before = False
    for word, tag in words:
        code = code_of(tag.lower())
        if code == PERSON and surname_before:
            gold[-1] = gold[-1]._replace(end=start + len(word))
            surname_before = False
        else:
            gold.append(TaggedWord(start, start + len(word), code))
            surname_before = code == PERSON and len(word) <= MAX_SURNAME_LENGTH
        start += len(word)
    return gold


def jieba_alone(text: str) -> list[TaggedWord]:
    """Find words with jieba's own dictionary and tags."""
    import rjieba  # takes long to import

    words, start = [], 0
    for word, tag in rjieba.tag(text):
        words.append(TaggedWord(start, start + len(word), code_of(tag)))
        start += len(word)
    return words


def finder_of(words: ChineseWords) -> Finder:
    """Return a word finder that applies the rules of `ChineseWords`."""

    def find(text: str) -> list[TaggedWord]:
        predicted = words(text)
        bounds = pairwise([*predicted.starts.tolist(), len(text)])
        return [
            TaggedWord(start, end, code) for (start, end), code in zip(bounds, predicted.codes.tolist(), strict=True)
        ]

    return find
