"""Classification of one text or of a pair, by the first token (release, `finetune/classifier.py`)."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ernie_paddle.data.samples import IGNORED
from ernie_paddle.errors import UserError
from ernie_paddle.kind import Answer, Encoded, ModelClass, Signature
from ernie_paddle.metric import Metric
from ernie_paddle.registry import Registry
from ernie_paddle.task import Objective, SentenceClassification
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.encoding import pair, samples_of, tokenized
from tasks.finetuning.kind import ReadingKind


class Classification(ReadingKind):
    """A label of the signature's for a text or a pair of texts."""

    name = "classification"
    model_class: ClassVar[ModelClass | None] = ModelClass("SequenceClassification")
    answers_are: ClassVar[tuple[str, ...]] = ("labels", "relevance")

    def objective(self, signature: Signature) -> Objective:
        if signature.labels is None:
            raise UserError(f"signature.labels: {self.name} needs the names of its classes")
        return SentenceClassification(signature.labels, head="cls_out")

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        firsts = tokenized([one.text_a for one in examples], vocabulary)
        seconds = tokenized([one.text_b or "" for one in examples], vocabulary)
        sequences = [
            pair(first.ids, None if one.text_b is None else second.ids, signature.max_length)
            for one, first, second in zip(examples, firsts, seconds, strict=True)
        ]
        return Encoded(samples_of(sequences, self.labels(examples, signature), vocabulary))

    def labels(self, examples: Sequence[Any], signature: Signature) -> np.ndarray:
        """The number of each example's label, -1 without one."""
        numbers = {label: i for i, label in enumerate(signature.labels or ())}
        return np.array([IGNORED if one.label is None else numbers[one.label] for one in examples], np.int64)

    def answers(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Answer]:
        names = signature.labels or ()
        return [Answer(names[int(one[0].argmax())], one[0].tolist()) for one in scores]

    def given_options(self, metric: Metric, examples: Sequence[Any], signature: Signature) -> dict[str, Any]:
        given = super().given_options(metric, examples, signature)
        return {**given, "queries": [one.group for one in examples]} if metric.needs == "relevance" else given

    def compared(
        self, metric: Metric, examples: Sequence[Any], answers: Sequence[Answer], signature: Signature
    ) -> tuple[list[Any], list[Any]]:
        """As every kind; rankings are by the probability of the last label, which stands for what is relevant."""
        if metric.needs != "relevance":
            return super().compared(metric, examples, answers, signature)
        relevant = (signature.labels or ("",))[-1]
        return [int(one.label == relevant) for one in examples], [answer.scores[-1] for answer in answers]


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(Classification.name, Classification())
