"""English words, phrases and named entities.

- Named entities are names of the gazetteers and runs of two or more capitalised words separated by one blank. The first
  word of a sentence counts as capitalised unless it is a common opener such as "The".
- Phrases are word sequences mined from the corpus (`phrases.py`) that do not overlap named entities.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from data_builders.annotation.document import ORDINARY_WORD, PUNCTUATION, STOP_WORD
from data_builders.annotation.function_words import ENGLISH_FUNCTION_WORDS, ENGLISH_OPENERS
from data_builders.annotation.matching import SequenceMatcher
from ernie_paddle.data.spans import NAMED_ENTITY, PHRASE, WORD


@dataclass(frozen=True)
class CasedWords:
    """The words of a text, as arrays [words].

    Attributes:
        starts, ends: character positions.
        capitalized: whether the first letter is a capital.
        opens_sentence: whether the word is the first of its sentence.
    """

    text: str
    starts: np.ndarray
    ends: np.ndarray
    capitalized: np.ndarray
    opens_sentence: np.ndarray

    @cached_property
    def written(self) -> list[str]:
        """The words with their case."""
        return [self.text[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]

    @cached_property
    def lower(self) -> list[str]:
        """The words in lower case."""
        return [word.lower() for word in self.written]

    @cached_property
    def touches(self) -> np.ndarray:
        """Whether the previous word is in the same sentence, with at most one blank between [words]."""
        result = np.zeros(len(self.starts), bool)
        result[1:] = (self.starts[1:] - self.ends[:-1] <= 1) & ~self.opens_sentence[1:]
        return result


@dataclass(frozen=True)
class EnglishSpans:
    """A finder of spans in English text.

    Attributes:
        names: the words of each name, with their case.
        phrases: the words of each phrase, in lower case.
        entries_found: collects the names that occur in the text, joined by blanks.
    """

    names: tuple[tuple[str, ...], ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()
    entries_found: set[str] = field(default_factory=set, compare=False)

    @property
    def user_entries(self) -> frozenset[str]:
        """The names, joined by blanks."""
        return frozenset(map(" ".join, self.names))

    def __call__(self, words: CasedWords) -> tuple[np.ndarray, np.ndarray]:
        """Return which words continue the span of the previous word, and the kind of each word's span, both [words]."""
        continues = capitalized_runs(words)
        single = self._single_names
        kinds = np.where([word in single for word in words.written] if single else False, NAMED_ENTITY, WORD)
        kinds = np.broadcast_to(kinds, continues.shape).astype(np.int8)
        kinds[_members(continues)] = NAMED_ENTITY
        names = self._names.find(words.written)
        self._join(names, words, continues, kinds, NAMED_ENTITY)
        self.entries_found.update(single.intersection(words.written) if single else ())
        self.entries_found.update(" ".join(words.written[first:after]) for first, after in names)
        self._join(self._phrases.find(words.lower), words, continues, kinds, PHRASE)
        return continues, kinds

    def _join(
        self, matches: list[tuple[int, int]], words: CasedWords, continues: np.ndarray, kinds: np.ndarray, kind: int
    ) -> None:
        """Make spans of the matches that lie in one sentence and do not cut another span."""
        for first, after in matches:
            cut = not words.touches[first + 1 : after].all()
            if cut or ((kinds[first:after] != WORD).any() and (kind == PHRASE or continues[first])):
                continue
            if after < len(continues) and continues[after]:
                continue
            continues[first + 1 : after] = True
            kinds[first:after] = kind

    @cached_property
    def _names(self) -> SequenceMatcher:
        return SequenceMatcher(self.names)

    @cached_property
    def _single_names(self) -> frozenset[str]:
        return frozenset(name[0] for name in self.names if len(name) == 1)

    @cached_property
    def _phrases(self) -> SequenceMatcher:
        return SequenceMatcher(self.phrases)


def capitalized_runs(words: CasedWords) -> np.ndarray:
    """Return which words continue a run of capitalised words [words]."""
    named = words.capitalized.copy()
    for word in np.flatnonzero(words.opens_sentence & words.capitalized).tolist():
        named[word] = words.text[words.starts[word] : words.ends[word]].lower() not in ENGLISH_OPENERS
    continues = np.zeros(len(named), bool)
    continues[1:] = named[1:] & named[:-1] & ~words.opens_sentence[1:] & (words.starts[1:] == words.ends[:-1] + 1)
    return continues


def word_classes(words: Iterable[str]) -> np.ndarray:
    """Return the class of each lower-cased word [words]; words without a letter or digit are `PUNCTUATION`."""
    known: dict[str, int] = {}
    return np.array([known[w] if w in known else known.setdefault(w, _word_class(w)) for w in words], np.int8)


def _word_class(word: str) -> int:
    if not any(map(str.isalnum, word)):
        return PUNCTUATION
    return STOP_WORD if word in ENGLISH_FUNCTION_WORDS else ORDINARY_WORD


def _members(continues: np.ndarray) -> np.ndarray:
    """Return which words are in a span of several words [words]."""
    members = continues.copy()
    members[:-1] |= continues[1:]
    return members
