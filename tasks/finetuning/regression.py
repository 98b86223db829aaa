"""Regression: a number for a text or a pair, by the first token and the squared error (release, `--is_regression`)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.kind import Answer, Encoded, ModelClass, Signature
from ernie_paddle.registry import Registry
from ernie_paddle.task import Feed, Labels, Level, Objective, Outcome
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.classification import Classification

if TYPE_CHECKING:
    from ernie_paddle.programs.network import Network

NEAR = 0.5  # an answer this near counts as right in the log


class SquaredError(Objective):
    """A number for the whole sequence, from the pooled first token; the squared error is the loss."""

    level: Level = "sentence"
    column = "label"
    head = "cls_out"

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed(f"{self.head}_label", (-1,), "float32"),)

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        numbers = batch.labels.astype(np.float32)
        return Labels(batch.first_tokens, {f"{self.head}_label": numbers}, np.zeros(len(numbers), np.int64))

    def build(self, network: "Network", outputs: Any, inputs: dict[str, Any]) -> Outcome:
        numbers = self.logits(network, outputs)
        return Outcome(*network.squared_error(numbers, inputs[f"{self.head}_label"], NEAR), numbers)

    def logits(self, network: "Network", outputs: Any) -> Any:
        return network.sentence_logits(outputs, self.head, 1)

    def classes(self, vocabulary_size: int) -> int:
        return 1


class Regression(Classification):
    """A number for a text or a pair of texts."""

    name = "regression"
    model_class = ModelClass("SequenceClassification", problem_type="regression")
    answers_are = ("numbers",)
    has_labels = False

    def objective(self, signature: Signature) -> Objective:
        return SquaredError()

    def labels(self, examples: Sequence[Any], signature: Signature) -> np.ndarray:
        return np.array([one.label or 0.0 for one in examples], np.float32)

    def answers(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Answer]:
        return [Answer(float(one[0, 0])) for one in scores]


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(Regression.name, Regression())
