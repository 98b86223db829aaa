"""Pronoun resolution (CLUEWSC): does the pronoun refer to the noun? It is the classification of a text with marks.

The marks are those of the benchmark's baselines: `_noun_` and `[pronoun]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ernie_paddle.finetuning_task import Encoded, ModelClass, Signature
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.classification import Classification
from tasks.finetuning.reading.examples import ReferenceExample
from tasks.finetuning.reading.wsc import WscFormat


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

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        return super().encode(
            [MarkedText(marked(example), example.label) for example in examples], vocabulary, signature
        )


def marked(example: ReferenceExample) -> str:
    """Return the text with marks around noun and pronoun."""
    text = example.text
    marks = [(example.noun, "_", "_"), (example.pronoun, "[", "]")]
    for span, before, after in sorted(marks, key=lambda mark: -mark[0].start):
        text = text[: span.start] + before + text[span.start : span.end] + after + text[span.end :]
    return text


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(PronounResolution.name, PronounResolution())
