"""Classification of one text or of a pair, by the first token (release, `finetune/classifier.py`)."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ernie_paddle.data.samples import IGNORED
from ernie_paddle.errors import UserError
from ernie_paddle.kind import Answer, Encoded, ExampleSet, ModelClass, Signature
from ernie_paddle.metric import Metric
from ernie_paddle.registry import Registry
from ernie_paddle.task import Objective, SentenceClassification
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.encoding import pair, samples_of, tokenized
from tasks.finetuning.kind import ReadingKind
from tasks.finetuning.reading.json_lines import JsonLinesFormat
from tasks.finetuning.reading.source import Format
from tasks.finetuning.reading.tsv import TsvFormat

RANKED = ("relevance", "judgements")  # what metrics need that compare the candidates of a question


class Classification(ReadingKind):
    """A label of the signature's for a text or a pair of texts."""

    name = "classification"
    model_class: ClassVar[ModelClass | None] = ModelClass("SequenceClassification")
    answers_are: ClassVar[tuple[str, ...]] = ("labels", *RANKED)
    formats: ClassVar[tuple[type[Format], ...]] = (TsvFormat, JsonLinesFormat)

    def objective(self, signature: Signature) -> Objective:
        return SentenceClassification(signature.labels, head="cls_out")

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        firsts = tokenized([one.text_a for one in examples], vocabulary)
        seconds = tokenized([one.text_b or "" for one in examples], vocabulary)
        # a second text without a token is as none (release, `BaseReader._convert_example_to_record`)
        sequences = [
            pair(first.ids, second.ids or None, signature.max_length)
            for first, second in zip(firsts, seconds, strict=True)
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

    def check_gold(self, metric: Metric, labelled: ExampleSet) -> None:
        alone = next((one for one in labelled.examples if metric.needs in RANKED and one.group is None), None)
        if alone is not None:
            raise UserError(
                f"{alone.place}: metric '{metric.name}' ranks the candidates of a question, but nothing says which "
                "belong together; name their column or key in data.reading as 'group'"
            )

    def columns(self, metric: Metric, examples: Sequence[Any]) -> dict[str, Sequence[Any]]:
        return {"queries": [one.group for one in examples]} if metric.needs in RANKED else {}

    def compared(
        self, metric: Metric, examples: Sequence[Any], answers: Sequence[Answer], signature: Signature
    ) -> tuple[list[Any], list[Any]]:
        """As every kind; rankings are by the probability of the last label, which stands for what is relevant."""
        if metric.needs not in RANKED:
            return super().compared(metric, examples, answers, signature)
        relevant = (signature.labels or ("",))[-1]
        gold, scores = [int(one.label == relevant) for one in examples], [answer.scores[-1] for answer in answers]
        if metric.needs == "relevance":
            return gold, scores
        return gold, [(int(one.value == relevant), score) for one, score in zip(answers, scores, strict=True)]


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(Classification.name, Classification())
