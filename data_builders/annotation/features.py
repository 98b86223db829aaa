"""Token features: facts about words that need the raw text, such as case or part of speech.

The annotation computes them once for a corpus, and sample builders copy them into samples as columns. A plug-in
registers its own with `registry.token_features.add(feature.name, feature)`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data_builders.annotation.characters import cases
from data_builders.annotation.document import WORD_KEYS, arrow_schema
from data_builders.documents import Language
from ernie_paddle.data.schema import IGNORED, Column
from ernie_paddle.data.spans import SPANS
from ernie_paddle.errors import UserError
from ernie_paddle.registry import Registry


@dataclass(frozen=True)
class AnnotatedWords:
    """The words of many sentences, as arrays [words].

    Attributes:
        text: the sentences and titles, one in each line.
        points: the code points of the text [characters].
        starts, ends: character positions.
        opens_sentence: whether a word is the first of its sentence or title.
        continues_span: whether a word belongs to the span of the previous word.
        span_kinds: the kind of each word's span, such as `NAMED_ENTITY`.
        tag_words: returns the tags of all words.
    """

    text: str
    points: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    opens_sentence: np.ndarray
    continues_span: np.ndarray
    span_kinds: np.ndarray
    tag_words: Callable[[list[str]], list[str]]

    @cached_property
    def written(self) -> list[str]:
        """The words as they are written, with their case."""
        return [self.text[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]

    @cached_property
    def tags(self) -> list[str]:
        """The part-of-speech tags of jieba for Chinese words; empty for English words."""
        return self.tag_words(self.written)


@dataclass(frozen=True)
class TokenFeature:
    """A token feature.

    Attributes:
        column: the column that it fills; all pieces of a word have the value of the word.
        values: returns a class id for each word, or -1 [words]. It must be a function of a module, so that worker
            processes can load it.
        languages: the languages that have the feature; in others, all values are -1.
        version: must be incremented when the same words get other values.

    Raises:
        ValueError: the column is not of tokens, or the annotation has a field of its name.
    """

    column: Column
    values: Callable[[AnnotatedWords], np.ndarray]
    languages: tuple[Language, ...] = ("en", "zh")
    version: int = 1

    def __post_init__(self) -> None:
        if self.column.level != "token":
            raise ValueError(f"token feature '{self.name}': its column is of the {self.column.level} level")
        if self.name in (WORD_KEYS, *arrow_schema().names):
            raise ValueError(f"token feature '{self.name}': the name is taken by a field that annotations have anyway")

    @property
    def name(self) -> str:
        return self.column.name

    def of_words(self, words: AnnotatedWords, language: Language) -> np.ndarray:
        """Return the checked values of the words [words].

        Raises:
            UserError: `values` returned something else than a class id for each word.
        """
        if language not in self.languages:
            return np.full(len(words.starts), IGNORED, self.column.dtype)
        values = np.asarray(self.values(words))
        wrong = values.shape != words.starts.shape or self.column.wrong(values).size
        if wrong:
            raise UserError(
                f"token feature '{self.name}': expected {len(words.starts)} values from {IGNORED} to "
                f"{self.column.maximum}, got {values.shape} from {values.min(initial=0)} to {values.max(initial=0)}"
            )
        return values.astype(self.column.dtype)


def copied_columns(features: Iterable[TokenFeature]) -> tuple[Column, ...]:
    """Return the columns that samples copy from the annotation: spans and token features."""
    return (*SPANS, *(feature.column for feature in features))


def capitalized(words: AnnotatedWords) -> np.ndarray:
    """Return 1 for words that begin with an upper-case letter, 0 for lower case, -1 for words without case [words]."""
    return cases()(words.points[words.starts])


CAPITALIZATION = TokenFeature(Column("capitalization", "token", ("lower-case", "capitalized")), capitalized)


def register(registry: Registry) -> None:
    """Register the token features."""
    registry.token_features.add(CAPITALIZATION.name, CAPITALIZATION)
