"""Pronoun resolution (CLUEWSC): does the pronoun refer to the noun? It is the classification of a text with marks.

The marks are those of the benchmark's baselines: `_noun_` and `[pronoun]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Encoded, ModelClass, Signature
from ernie_paddle.inputs import TaskInput
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.classification import Classification
from tasks.finetuning.reading.examples import ReferenceExample, Span
from tasks.finetuning.reading.squad import occurrences
from tasks.finetuning.reading.wsc import WscFormat


class ReferenceInput(TaskInput):
    """A text with a noun and a pronoun. An offset may be left out if the word occurs only once in the text."""

    text: str
    """The text."""
    noun: str
    """The noun, as in the text."""
    pronoun: str
    """The pronoun, as in the text."""
    noun_start: int | None = None
    """Offset of the noun's first character."""
    pronoun_start: int | None = None
    """Offset of the pronoun's first character."""


@dataclass(frozen=True)
class MarkedText:
    """A text with marks, as an example for classification."""

    text_a: str
    label: str | None
    text_b: None = None


class PronounResolution(Classification):
    """The fine-tuning task that predicts a label for a pronoun and a noun of a text."""

    name = "pronoun_resolution"
    model_class = ModelClass(
        "SequenceClassification",
        differences="the marks around noun and pronoun are not part of the model: give it texts with `_noun_` and "
        "`[pronoun]`",
    )
    prediction_types = ("labels",)
    formats = (WscFormat,)
    Input: ClassVar[type[TaskInput]] = ReferenceInput

    def example(self, given: Any, id: str, place: str) -> Any:
        noun = located(given.noun, given.noun_start, given.text, f"{place}: noun")
        pronoun = located(given.pronoun, given.pronoun_start, given.text, f"{place}: pronoun")
        return ReferenceExample(id, place, given.text, noun, pronoun, None)

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        return super().encode(
            [MarkedText(marked(example), example.label) for example in examples], vocabulary, signature
        )


def located(word: str, start: int | None, text: str, where: str) -> Span:
    """Return a word's span in the text. `start` is its offset, None if it occurs only once.

    Raises:
        UserError: it is not at `start`, or occurs several times or not at all. The message begins with `where`.
    """
    starts = occurrences(word, text) if word else []
    if start is not None:
        if start not in starts:
            raise UserError(f"{where} '{word}' is not at offset {start} of the text")
        return Span(word, start)
    if len(starts) != 1:
        advice = "; give its offset" if starts else ""
        raise UserError(f"{where} '{word}' occurs {len(starts)} times in the text{advice}")
    return Span(word, starts[0])


def marked(example: ReferenceExample) -> str:
    """Return the text with marks around noun and pronoun."""
    text = example.text
    marks = [(example.noun, "_", "_"), (example.pronoun, "[", "]")]
    for span, before, after in sorted(marks, key=lambda mark: -mark[0].start):
        text = text[: span.start] + before + text[span.start : span.end] + after + text[span.end :]
    return text


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(PronounResolution.name, PronounResolution())
