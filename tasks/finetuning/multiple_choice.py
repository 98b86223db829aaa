"""Multiple choice (C3): `[CLS] text [SEP] question [SEP] choice [SEP]` for each choice, and a softmax over choices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ernie_paddle.data.batch import Batch, PaddedLayout
from ernie_paddle.data.encoding import Segments, samples_of, tokenized
from ernie_paddle.data.feeds import Feed
from ernie_paddle.data.schema import IGNORED, LABEL, Column, Level
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Encoded, ModelClass, Prediction, Signature
from ernie_paddle.inputs import TaskInput
from ernie_paddle.registry import Registry
from ernie_paddle.task import HeadNetwork, HeadOutput, Labels, Objective
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.file_task import FileTask
from tasks.finetuning.reading.c3 import C3Format
from tasks.finetuning.reading.examples import ChoiceExample
from tasks.finetuning.reading.source import Format


class MultipleChoiceObjective(Objective):
    """A choice among a sample's sequences: each has a score, from its pooled first token (softmax, cross entropy)."""

    level: Level = "sentence"
    column = Column(LABEL, "sentence")
    head = "cls_out"
    heads = (head,)

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed("sequence_of_choice", (-1, -1), "int64"), Feed(f"{self.head}_label", (-1,), "int64"))

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        labels = batch.sample_columns[LABEL].astype(np.int64)
        choices = PaddedLayout.of(batch.sequences).padded_to_token
        feeds = {"sequence_of_choice": choices, f"{self.head}_label": labels}
        return Labels(batch.first_tokens, feeds, labels)

    def build(self, network: HeadNetwork, outputs: Any, inputs: dict[str, Any]) -> HeadOutput:
        logits = self.logits(network, outputs)
        choice_logits = network.padded_scores(logits, inputs["sequence_of_choice"])
        return HeadOutput(*network.cross_entropy(choice_logits, inputs[f"{self.head}_label"]), logits)

    def logits(self, network: HeadNetwork, outputs: Any) -> Any:
        return network.sentence_logits(outputs, self.head, 1)


class ChoiceInput(TaskInput):
    """A question about a text, with choices."""

    context: str
    """The text."""
    question: str
    """The question."""
    choices: tuple[str, ...]
    """The choices, two or more."""


@dataclass(frozen=True)
class ChoicePrediction(Prediction):
    """The number of one of `choices`, with the probabilities of all choices as `scores`."""

    choices: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """The number of the chosen one, from 0."""
        return self.value

    @property
    def choice(self) -> str:
        """The chosen one in words."""
        return self.choices[self.number]

    @property
    def probability(self) -> float:
        """The probability of the chosen one."""
        return self.scores[self.number]

    def as_record(self) -> dict[str, Any]:
        probabilities = [
            {"choice": choice, "probability": score} for choice, score in zip(self.choices, self.scores, strict=True)
        ]
        return {
            "prediction": self.choice,
            "number": self.number,
            "probability": self.probability,
            "probabilities": probabilities,
        }


class MultipleChoice(FileTask):
    """The fine-tuning task that predicts the number of the right choice."""

    name = "multiple_choice"
    head = MultipleChoiceObjective.head
    model_class: ClassVar[ModelClass | None] = ModelClass(
        "MultipleChoice",
        differences="the input format is not part of the model: give it `[CLS] text [SEP] question [SEP] choice [SEP]` "
        "with sentence id 0 for the text and 1 for the rest",
    )
    scored = "choices"
    has_labels = False
    least_length = 5  # four special tokens and one of a choice
    formats: ClassVar[tuple[type[Format], ...]] = (C3Format,)
    Input: ClassVar[type[TaskInput]] = ChoiceInput

    def objective(self, signature: Signature) -> Objective:
        return MultipleChoiceObjective()

    def gold(self, example: Any) -> Any:
        return example.answer

    def example(self, given: Any, id: str, place: str) -> Any:
        check_choices(given.choices, place)
        return ChoiceExample(id, place, given.context, given.question, given.choices, None)

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        contexts = tokenized([example.context for example in examples], vocabulary, signature.max_length)
        questions = tokenized([example.question for example in examples], vocabulary, signature.max_length)
        sequences: list[Segments] = []
        for example, context, question in zip(examples, contexts, questions, strict=True):
            for choice in tokenized(example.choices, vocabulary, signature.max_length):
                sequences.append(fitted([context.ids, question.ids, choice.ids], signature.max_length))
        return choices_encoded(sequences, [len(example.choices) for example in examples], examples, vocabulary)

    def predictions(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Prediction]:
        return [
            ChoicePrediction(int(column[:, 0].argmax()), softmax(column[:, 0]).tolist(), example.choices)
            for example, column in zip(examples, scores, strict=True)
        ]


def check_choices(choices: Sequence[str], place: str) -> None:
    """Raise a `UserError` that begins with `place` unless there are at least two choices."""
    if len(choices) < 2:
        raise UserError(f"{place}: {len(choices)} choices, expected 2 or more")


def fitted(segments: Sequence[Sequence[int]], max_length: int) -> Segments:
    """Return the texts, cut to `max_length` with special tokens. The first text is cut first, then the next ones."""
    room = max_length - len(segments) - 1
    kept: list[Sequence[int]] = []
    for number, segment in enumerate(segments):
        needed = sum(len(later) for later in segments[number + 1 :])
        kept.append(segment[: max(0, room - needed)])
        room -= len(kept[-1])
    return kept


def choices_encoded(
    sequences: Sequence[Segments], counts: Sequence[int], examples: Sequence[Any], vocabulary: Vocabulary
) -> Encoded:
    """Return samples with one sequence per choice, labelled with the number of the right choice.

    `counts` [examples] are the numbers of choices.
    """
    labels = np.array([IGNORED if example.answer is None else example.answer for example in examples], np.int16)
    return Encoded(samples_of(sequences, labels, vocabulary, np.array(counts)))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax [n] of scores [n]."""
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(MultipleChoice.name, MultipleChoice())
