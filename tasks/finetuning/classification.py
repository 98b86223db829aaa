"""Classification of a text or a pair of texts, from the first token (release, `finetune/classifier.py`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ernie_paddle.data.encoding import pair, samples_of, tokenized
from ernie_paddle.data.schema import IGNORED
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import (
    Encoded,
    ExampleSet,
    ModelClass,
    Prediction,
    Signature,
)
from ernie_paddle.inputs import TaskInput, TextInput
from ernie_paddle.metric import Metric
from ernie_paddle.registry import Registry
from ernie_paddle.task import Objective, SentenceClassificationObjective
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.file_task import FileTask
from tasks.finetuning.reading.examples import TextExample
from tasks.finetuning.reading.json_lines import JsonLinesFormat
from tasks.finetuning.reading.source import Format
from tasks.finetuning.reading.tsv import TsvFormat

RANKED = ("relevance", "judgements")  # input types of metrics that rank the candidates of a question


@dataclass(frozen=True)
class LabelPrediction(Prediction):
    """A label, with the probabilities of all `labels`, in their order, as `scores`."""

    labels: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The most probable label."""
        return self.value

    @property
    def probability(self) -> float:
        """The probability of the label."""
        return self.probabilities[self.label]

    @property
    def probabilities(self) -> dict[str, float]:
        """The probability of each label."""
        return dict(zip(self.labels, self.scores, strict=True))

    def as_record(self) -> dict[str, Any]:
        return {"prediction": self.label, "probability": self.probability, "probabilities": self.probabilities}


class Classification(FileTask):
    """The fine-tuning task that predicts a label for a text or a pair of texts."""

    name = "classification"
    head = "cls_out"
    release_head = "_cls_out"  # <task>_cls_out, and the task has no name
    Input: ClassVar[type[TaskInput]] = TextInput
    model_class: ClassVar[ModelClass | None] = ModelClass("SequenceClassification")
    prediction_types: ClassVar[tuple[str, ...]] = ("labels", *RANKED)
    scored: ClassVar[Literal["labels", "choices"] | None] = "labels"
    formats: ClassVar[tuple[type[Format], ...]] = (TsvFormat, JsonLinesFormat)

    def objective(self, signature: Signature) -> Objective:
        return SentenceClassificationObjective(signature.labels, head=self.head)

    def example(self, given: Any, id: str, place: str) -> Any:
        return TextExample(id, place, given.text_a, given.text_b, None)

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        firsts = tokenized([example.text_a for example in examples], vocabulary, signature.max_length)
        seconds = tokenized([example.text_b or "" for example in examples], vocabulary, signature.max_length)
        # A second text without tokens counts as absent (release, `BaseReader._convert_example_to_record`).
        sequences = [
            pair(first.ids, second.ids or None, signature.max_length)
            for first, second in zip(firsts, seconds, strict=True)
        ]
        return Encoded(samples_of(sequences, self.labels(examples, signature), vocabulary))

    def labels(self, examples: Sequence[Any], signature: Signature) -> np.ndarray:
        """Return the class id of each example, -1 for examples without a label."""
        ids = {label: i for i, label in enumerate(signature.labels or ())}
        return np.array([IGNORED if example.label is None else ids[example.label] for example in examples], np.int64)

    def predictions(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Prediction]:
        names = signature.labels or ()
        return [LabelPrediction(names[int(row.argmax())], row.tolist(), names) for (row,) in scores]

    def check_gold(self, metric: Metric, labelled: ExampleSet) -> None:
        if metric.input_type not in RANKED:
            return
        ungrouped = next((example for example in labelled.examples if example.group is None), None)
        if ungrouped is not None:
            raise UserError(
                f"{ungrouped.place}: metric '{metric.name}' ranks the candidates of a question, but the row has no "
                "'group'; name the column or key that holds it in data.reading"
            )

    def columns(self, metric: Metric, examples: Sequence[Any]) -> dict[str, Sequence[Any]]:
        return {"queries": [example.group for example in examples]} if metric.input_type in RANKED else {}

    def compared(
        self, metric: Metric, examples: Sequence[Any], predictions: Sequence[Prediction], signature: Signature
    ) -> tuple[list[Any], list[Any]]:
        """Return gold labels and predictions. Rankings are by the probability of the last label, which is relevance."""
        if metric.input_type not in RANKED:
            return super().compared(metric, examples, predictions, signature)
        relevant = (signature.labels or ("",))[-1]
        gold = [int(example.label == relevant) for example in examples]
        scores = [prediction.scores[-1] for prediction in predictions]
        if metric.input_type == "relevance":
            return gold, scores
        return gold, [(int(each.value == relevant), score) for each, score in zip(predictions, scores, strict=True)]


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(Classification.name, Classification())
