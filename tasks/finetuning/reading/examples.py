"""What the files of a benchmark hold, one record for each kind of input.

`id` is unique within a set of files: the data's own where they have one that predictions are known by, else the
number of the row, from 0. `place` says where the example stands, for errors. Without labels (test files)
`label`, `tags`, `answer` are None and `answers` is empty.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class TextExample:
    """A text or a pair of texts and its class, or its score for regression.

    `group` holds together the candidates of one question, for ranking metrics.
    """

    id: str
    place: str
    text_a: str
    text_b: str | None
    label: str | float | None
    group: str | None = None


@dataclass(frozen=True)
class TaggedExample:
    """A tag for every token; a Chinese token is a character."""

    id: str
    place: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None


@dataclass(frozen=True)
class Answer:
    """An answer and the offset of its first character in the context; None if the context does not hold it."""

    text: str
    start: int | None


@dataclass(frozen=True)
class QuestionExample:
    """A question, the text that answers it and all answers that count as right."""

    id: str
    place: str
    question: str
    context: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class ChoiceExample:
    """A question about a text with 2 to 4 choices; `answer` is the number of the right one, from 0."""

    id: str
    place: str
    context: str
    question: str
    choices: tuple[str, ...]
    answer: int | None


@dataclass(frozen=True)
class ClozeExample:
    """A blank in a passage; `answer` is the number of the right candidate, from 0.

    `id` is the blank's tag, `#idiom000378#`; other blanks of the passage stand in `left` and `right` as their tags.
    The blanks of one `group` share their candidates, of which each is right for one blank at most; `passage` is
    the number of the passage within the group, from 0.
    """

    id: str
    place: str
    left: str
    right: str
    candidates: tuple[str, ...]
    answer: int | None
    group: str
    passage: int


@dataclass(frozen=True)
class Span:
    """A part of a text and the offset of its first character."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class ReferenceExample:
    """Does `pronoun` refer to `noun`? Both are parts of `text`."""

    id: str
    place: str
    text: str
    noun: Span
    pronoun: Span
    label: str | None


Example: TypeAlias = TextExample | TaggedExample | QuestionExample | ChoiceExample | ClozeExample | ReferenceExample
