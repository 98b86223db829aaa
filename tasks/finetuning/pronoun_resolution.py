"""Pronoun resolution (CLUEWSC): does the pronoun mean the noun? Both are marked in the text, which is classified.

The marks are those of the benchmark's baselines: `_noun_` and `[pronoun]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ernie_paddle.kind import Encoded, ModelClass, Signature
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.classification import Classification
from tasks.finetuning.reading.examples import ReferenceExample
from tasks.finetuning.reading.wsc import WscFormat


@dataclass(frozen=True)
class MarkedText:
    """A text with its marks, as an example of classification."""

    text_a: str
    label: str | None
    text_b: None = None


class PronounResolution(Classification):
    """A label of the signature's for a pronoun and a noun of a text."""

    name = "pronoun_resolution"
    model_class = ModelClass(
        "SequenceClassification",
        differences="the marks around noun and pronoun do not go along: give the model texts with `_noun_` and "
        "`[pronoun]`",
    )
    answers_are = ("labels",)
    formats = (WscFormat,)

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        return super().encode([MarkedText(marked(one), one.label) for one in examples], vocabulary, signature)


def marked(example: ReferenceExample) -> str:
    """The text with marks around noun and pronoun."""
    text = example.text
    marks = [(example.noun, "_", "_"), (example.pronoun, "[", "]")]
    for span, before, after in sorted(marks, key=lambda mark: -mark[0].start):
        text = text[: span.start] + before + text[span.start : span.end] + after + text[span.end :]
    return text


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(PronounResolution.name, PronounResolution())
