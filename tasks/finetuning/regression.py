"""Regression: a number for a text or a pair of texts, from the first token (release, `--is_regression`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeds import Feed
from ernie_paddle.data.schema import LABEL, Column, Level
from ernie_paddle.finetuning_task import Encoded, ModelClass, Prediction, Signature
from ernie_paddle.registry import Registry
from ernie_paddle.task import HeadNetwork, HeadOutput, Labels, Objective
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.classification import Classification

TOLERANCE = 0.5  # a prediction within this distance counts as right in the log


class RegressionObjective(Objective):
    """A number for the whole sequence, from the pooled first token, with the squared error as loss."""

    level: Level = "sentence"
    column = Column(LABEL, "sentence")
    head = "cls_out"
    heads = (head,)

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed(f"{self.head}_label", (-1,), "float32"),)

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        numbers = batch.sample_columns[LABEL].astype(np.float32)
        return Labels(batch.first_tokens, {f"{self.head}_label": numbers}, np.zeros(len(numbers), np.int64))

    def build(self, network: HeadNetwork, outputs: Any, inputs: dict[str, Any]) -> HeadOutput:
        numbers = self.logits(network, outputs)
        return HeadOutput(*network.squared_error(numbers, inputs[f"{self.head}_label"], TOLERANCE), numbers)

    def logits(self, network: HeadNetwork, outputs: Any) -> Any:
        return network.sentence_logits(outputs, self.head, 1)


@dataclass(frozen=True)
class NumberPrediction(Prediction):
    """A number."""

    @property
    def number(self) -> float:
        """The predicted number."""
        return self.value


class Regression(Classification):
    """The fine-tuning task that predicts a number for a text or a pair of texts."""

    name = "regression"
    model_class = ModelClass("SequenceClassification", problem_type="regression")
    prediction_types = ("numbers",)
    scored = None
    has_labels = False

    def objective(self, signature: Signature) -> Objective:
        return RegressionObjective()

    def labels(self, examples: Sequence[Any], signature: Signature) -> np.ndarray:
        return np.array([example.label or 0.0 for example in examples], np.float32)

    def predictions(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Prediction]:
        return [NumberPrediction(float(number[0, 0])) for number in scores]


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(Regression.name, Regression())
