"""The examples of benchmarks, one class per type of input.

`id` is unique within a set of files. It is the data's own id if predictions are identified by it, otherwise the number
of the row, from 0. `place` is the file and line of the example, for errors. In unlabelled files, `label`, `tags` and
`answer` are None and `answers` is empty.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class TextExample:
    """A text or a pair of texts with its class, or with its score for regression.

    The candidates of a question have the same `group`, for ranking metrics.
    """

    id: str
    place: str
    text_a: str
    text_b: str | None
    label: str | float | None
    group: str | None = None


@dataclass(frozen=True)
class TaggedExample:
    """A sequence of tokens with a tag for each. Chinese tokens are characters."""

    id: str
    place: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None


@dataclass(frozen=True)
class Answer:
    """An answer and the offset of its first character in the context, None if it is not in the context."""

    text: str
    start: int | None


@dataclass(frozen=True)
class QuestionExample:
    """A question, the text that answers it, and all accepted answers."""

    id: str
    place: str
    question: str
    context: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class ChoiceExample:
    """A question about a text with 2 to 4 choices. `answer` is the number of the right choice, from 0."""

    id: str
    place: str
    context: str
    question: str
    choices: tuple[str, ...]
    answer: int | None


@dataclass(frozen=True)
class ClozeExample:
    """A blank in a passage. `answer` is the number of the right candidate, from 0.

    `id` is the blank's tag, `#idiom000378#`. Other blanks of the passage appear in `left` and `right` as their tags.
    The blanks of one `group` share their candidates, each of which is right for at most one blank. `passage` is the
    number of the passage in the group, from 0.
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
    """A text with a pronoun and a noun. The label says whether `pronoun` refers to `noun`."""

    id: str
    place: str
    text: str
    noun: Span
    pronoun: Span
    label: str | None


Example: TypeAlias = TextExample | TaggedExample | QuestionExample | ChoiceExample | ClozeExample | ReferenceExample
