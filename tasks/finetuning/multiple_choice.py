"""Multiple choice (C3): `[CLS] text [SEP] question [SEP] choice [SEP]` for each choice, and a softmax over them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ernie_paddle.data.batch import Batch, Rectangle
from ernie_paddle.data.samples import IGNORED
from ernie_paddle.kind import Answer, Encoded, ModelClass, Signature
from ernie_paddle.registry import Registry
from ernie_paddle.task import Feed, Labels, Level, Objective, Outcome
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.encoding import Segments, samples_of, tokenized
from tasks.finetuning.kind import ReadingKind
from tasks.finetuning.reading.c3 import C3Format
from tasks.finetuning.reading.source import Format

if TYPE_CHECKING:
    from ernie_paddle.programs.network import Network


class Choice(Objective):
    """One of a sample's sequences: a score for each, from its pooled first token (softmax, cross entropy)."""

    level: Level = "sentence"
    column = "label"
    head = "cls_out"

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed("sequence_of_choice", (-1, -1), "int64"), Feed(f"{self.head}_label", (-1,), "int64"))

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        labels = batch.labels.astype(np.int64)
        choices = Rectangle.of(batch.sequences).token_of_cell
        feeds = {"sequence_of_choice": choices, f"{self.head}_label": labels}
        return Labels(batch.first_tokens, feeds, labels)

    def build(self, network: "Network", outputs: Any, inputs: dict[str, Any]) -> Outcome:
        logits = self.logits(network, outputs)
        of_choices = network.laid_out(logits, inputs["sequence_of_choice"])
        return Outcome(*network.cross_entropy(of_choices, inputs[f"{self.head}_label"]), logits)

    def logits(self, network: "Network", outputs: Any) -> Any:
        return network.sentence_logits(outputs, self.head, 1)

    def classes(self, vocabulary_size: int) -> int:
        return 4


class MultipleChoice(ReadingKind):
    """The number of the right choice."""

    name = "multiple_choice"
    model_class: ClassVar[ModelClass | None] = ModelClass(
        "MultipleChoice",
        differences="the layout of texts does not go along: give the model `[CLS] text [SEP] question [SEP] choice "
        "[SEP]` with sentence id 0 for the text, 1 for the rest",
    )
    has_labels = False
    least_length = 5  # four special tokens and one of a choice
    formats: ClassVar[tuple[type[Format], ...]] = (C3Format,)

    def objective(self, signature: Signature) -> Objective:
        return Choice()

    def gold(self, example: Any) -> Any:
        return example.answer

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        contexts, questions = (
            tokenized([getattr(one, part) for one in examples], vocabulary) for part in ("context", "question")
        )
        sequences: list[Segments] = []
        for one, context, question in zip(examples, contexts, questions, strict=True):
            for choice in tokenized(one.choices, vocabulary):
                sequences.append(fitted([context.ids, question.ids, choice.ids], signature.max_length))
        return choices_encoded(sequences, [len(one.choices) for one in examples], examples, vocabulary)

    def answers(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Answer]:
        return [Answer(int(one[:, 0].argmax()), softmax(one[:, 0]).tolist()) for one in scores]


def fitted(segments: Sequence[Sequence[int]], max_length: int) -> Segments:
    """The first text, and if need be the next, cut so that all fit with their special tokens."""
    room = max_length - len(segments) - 1
    kept: list[Sequence[int]] = []
    for number, segment in enumerate(segments):
        behind = sum(len(later) for later in segments[number + 1 :])
        kept.append(segment[: max(0, room - behind)])
        room -= len(kept[-1])
    return kept


def choices_encoded(
    sequences: Sequence[Segments], counts: Sequence[int], examples: Sequence[Any], vocabulary: Vocabulary
) -> Encoded:
    """Samples of several sequences, one a choice, with the number of the right one."""
    labels = np.array([IGNORED if one.answer is None else one.answer for one in examples], np.int16)
    return Encoded(samples_of(sequences, labels, vocabulary, np.array(counts)))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities [n] of scores [n]."""
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(MultipleChoice.name, MultipleChoice())
