"""What a task is to the engine: a name, a row of the task embedding and an objective.

Nothing here imports Paddle: an objective builds its part of a program through the `Network` it is given.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ernie_paddle.config import Settings
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import IGNORED, LABEL_COLUMN
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ernie_paddle.programs.network import Network

Level = Literal["token", "sentence"]
COUNT_MULTIPLE = 8


@dataclass(frozen=True)
class Feed:
    """An input of a program: -1 in `shape` stands for any size."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Outcome:
    """Values of a program: summed loss and number of right answers over the labelled positions, and `logits`.

    `logits` [tokens, n] have a row for each of `Labels.tokens`.
    """

    loss_sum: Any
    correct: Any
    logits: Any


@dataclass(frozen=True)
class Labels:
    """An objective's arrays for one batch.

    `tokens` are those whose encoder outputs it reads, as numbers in the batch (repetitions are allowed, none is not);
    `classes` are the class ids among its `feeds`, -1 where there is none.
    """

    tokens: np.ndarray
    feeds: dict[str, np.ndarray]
    classes: np.ndarray


def padded(tokens: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and their class ids, with unlabelled ones added: to a multiple of 8, for few shapes, and never none."""
    padding = -len(tokens) % COUNT_MULTIPLE if len(tokens) else COUNT_MULTIPLE
    return np.pad(tokens, (0, padding)), np.pad(classes, (0, padding), constant_values=IGNORED)


class NoOptions(Settings):
    """For objectives without options of their own."""


class Objective(ABC):
    """A loss on top of the shared encoder.

    `level` says whether labels belong to tokens or to the whole sequence, `column` which sample column
    holds them; `Options` are what a plan may choose; `labels` name the classes, None where they have no names.
    """

    level: Level
    column: str
    labels: tuple[str, ...] | None = None
    Options: ClassVar[type[Settings]] = NoOptions

    def configured(self, options: Settings) -> "Objective":
        """This objective with a plan's choices, an `Options`."""
        return self

    def in_stage(self, stage: int) -> "Objective":
        """This objective as it is in a stage of the plan (the first is 0); without it, as it is scored."""
        return self

    @abstractmethod
    def feeds(self) -> tuple[Feed, ...]:
        """What `label` returns, declared."""

    @abstractmethod
    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        """Labels of a batch. May alter the batch's `input_ids`; `key` keys every random draw."""

    @abstractmethod
    def build(self, network: "Network", outputs: Any, inputs: dict[str, Any]) -> Outcome:
        """Add head and loss to a program.

        `outputs` [tokens, hidden] are the encoder's for `Labels.tokens`; `inputs` holds the Values of `feeds` by name.
        """

    @abstractmethod
    def logits(self, network: "Network", outputs: Any) -> Any:
        """Add the head alone: [tokens, n] from the encoder's outputs [tokens, hidden]."""

    def answer_scores(self, logits: Any) -> Any:
        """What answers are read from, [tokens, n]: the logits themselves, or probabilities."""
        return logits

    @abstractmethod
    def classes(self, vocabulary_size: int) -> int:
        """Number of classes; guessing has loss ln(classes)."""

    def bound(self, labels: Sequence[str]) -> "Objective":
        """This objective for samples whose label classes have these names; no names if the samples tell none.

        Raises:
            UserError: the objective has other classes.
        """
        return self


@dataclass(frozen=True)
class Task:
    """A task: `task_id` is its row of the task embedding.

    `always_companion`: once introduced, its loss rides along in every stage, active or not.
    """

    name: str
    task_id: int
    objective: Objective
    always_companion: bool = False


class SentenceClassification(Objective):
    """A class for the whole sequence, from the pooled first token (softmax, cross entropy)."""

    level: Level = "sentence"
    column = LABEL_COLUMN

    def __init__(self, labels: Sequence[str] | None, head: str):
        """`labels` name the classes, None if the samples do; `head` is the prefix of the head's parameters."""
        self.labels = None if labels is None else tuple(labels)
        self.head = head

    def bound(self, labels: Sequence[str]) -> "SentenceClassification":
        if self.labels is not None and labels and tuple(labels) != self.labels:
            raise UserError(f"classes {', '.join(labels)}; the task has {', '.join(self.labels)}")
        if self.labels is None and not labels:
            raise UserError("the shards name no classes; build them again")
        return SentenceClassification(self.labels or labels, self.head)

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed(f"{self.head}_label", (-1,), "int64"),)

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        labels = batch.labels.astype(np.int64)
        return Labels(batch.first_tokens, {f"{self.head}_label": labels}, labels)

    def build(self, network: "Network", outputs: Any, inputs: dict[str, Any]) -> Outcome:
        logits = self.logits(network, outputs)
        return Outcome(*network.cross_entropy(logits, inputs[f"{self.head}_label"]), logits)

    def logits(self, network: "Network", outputs: Any) -> Any:
        return network.sentence_logits(outputs, self.head, self.classes(0))

    def answer_scores(self, logits: Any) -> Any:
        return logits.softmax()

    def classes(self, vocabulary_size: int) -> int:
        if self.labels is None:
            raise ValueError(f"{self.head}: bind it to the labels of samples first")
        return len(self.labels)


class TokenClassification(Objective):
    """A class for every labelled token (softmax, cross entropy)."""

    level: Level = "token"
    labels: tuple[str, ...]

    def __init__(self, labels: Sequence[str], column: str, head: str):
        """`column` is the sample column with the labels; `head` the prefix of the head's parameters."""
        self.labels = tuple(labels)
        self.column = column
        self.head = head

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed(f"{self.head}_label", (-1,), "int64"),)

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        column = batch.columns[self.column]
        tokens = np.flatnonzero(column != IGNORED)
        tokens, labels = padded(tokens, column[tokens].astype(np.int64))
        return Labels(tokens, {f"{self.head}_label": labels}, labels)

    def build(self, network: "Network", outputs: Any, inputs: dict[str, Any]) -> Outcome:
        logits = self.logits(network, outputs)
        return Outcome(*network.cross_entropy(logits, inputs[f"{self.head}_label"]), logits)

    def logits(self, network: "Network", outputs: Any) -> Any:
        return network.token_logits(outputs, self.head, len(self.labels))

    def answer_scores(self, logits: Any) -> Any:
        return logits.softmax()

    def classes(self, vocabulary_size: int) -> int:
        return len(self.labels)
