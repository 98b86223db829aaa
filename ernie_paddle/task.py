"""The interface between a task and the engine.

Nothing here imports Paddle: an objective builds its part of a program through a `HeadNetwork`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from ernie_paddle.config import NoOptions, Settings
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeds import Feed
from ernie_paddle.data.schema import IGNORED, LABEL, Column, Level
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary

COUNT_MULTIPLE = 8


class HeadNetwork(Protocol):
    """The layers and losses that an objective may add to a program; `programs.network.Network` has them.

    Arguments and results are Values of the program. `head` is the prefix of the head's parameters.
    """

    def sentence_logits(self, first_tokens: Any, head: str, classes: int) -> Any:
        """Return logits [sequences, classes] from the first tokens [sequences, hidden], through the pooler."""

    def token_logits(self, tokens: Any, head: str, classes: int) -> Any:
        """Return logits [tokens, classes] from tokens [tokens, hidden]."""

    def hidden_layer(self, tokens: Any, size: int, name: str) -> Any:
        """Apply a linear layer and the model's activation to tokens [tokens, n]: [tokens, size]."""

    def masked_lm_logits(self, tokens: Any) -> Any:
        """Return logits over the vocabulary, [tokens, vocabulary], from tokens [tokens, hidden]."""

    def padded_scores(self, scores: Any, indices: Any) -> Any:
        """Gather scores [n, 1] by `indices` [rows, width]; an index of -1 gives a score that softmax turns into 0."""

    def cross_entropy(self, logits: Any, labels: Any) -> tuple[Any, Any]:
        """Return the summed loss and the number of correct predictions, both over labels other than -1."""

    def squared_error(self, predictions: Any, targets: Any, tolerance: float) -> tuple[Any, Any]:
        """Return the summed squared error of predictions [n, 1], and how many are within `tolerance` of targets [n]."""


@dataclass(frozen=True)
class HeadOutput:
    """Values of a program: the summed loss and the number of correct predictions over labelled positions, and `logits`.

    `logits` [tokens, n] have a row for each of `Labels.selected`.
    """

    loss_sum: Any
    correct: Any
    logits: Any


@dataclass(frozen=True)
class Labels:
    """An objective's arrays for one batch.

    `selected` are the tokens whose encoder outputs it reads, as indices into the batch: at least one, repetitions
    allowed. `classes` are the class ids among its `feeds`, -1 where there is no label.
    """

    selected: np.ndarray
    feeds: dict[str, np.ndarray]
    classes: np.ndarray


SUFFIXES = ("", ".w_0", ".b_0", "_scale", "_bias")  # of the parameters of a layer


def is_of_head(parameter: str, heads: Iterable[str]) -> bool:
    """Return whether a parameter belongs to one of these heads."""
    return any(parameter == head + suffix for head in heads for suffix in SUFFIXES)


def shortened(labels: Sequence[str], count: int = 5) -> str:
    """Return the first labels as text, and how many more there are."""
    return ", ".join(labels[:count]) + (f" and {len(labels) - count} more" if len(labels) > count else "")


def pad_labels(tokens: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pad tokens and their class ids with unlabelled tokens to a positive multiple of 8, which keeps shapes few."""
    padding = -len(tokens) % COUNT_MULTIPLE if len(tokens) else COUNT_MULTIPLE
    return np.pad(tokens, (0, padding)), np.pad(classes, (0, padding), constant_values=IGNORED)


class Objective(ABC):
    """A head and its loss on top of the shared encoder.

    `heads` are the prefixes of the parameters that belong to it alone, without `.w_0` and the like.
    `level` says whether it reads tokens or whole sequences, and `column` which column of samples holds its labels.
    `labels` name the classes, None if they have no names or the samples name them. `predicts_tokens` tells that the
    classes are the vocabulary. `Options` are the settings that a plan may choose.
    """

    heads: tuple[str, ...] = ()
    level: Level
    column: Column
    labels: tuple[str, ...] | None = None
    predicts_tokens: ClassVar[bool] = False
    Options: ClassVar[type[Settings]] = NoOptions

    def configured(self, options: Settings) -> "Objective":
        """Return this objective with the options of a plan, an instance of `Options`."""
        return self

    def in_stage(self, stage: int) -> "Objective":
        """Return this objective for a stage of the plan, counted from 0. The objective itself is that of evaluation."""
        return self

    @abstractmethod
    def feeds(self) -> tuple[Feed, ...]:
        """Declare the feeds that `label` returns."""

    @abstractmethod
    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        """Return the labels of a batch. Masking may replace its `input_ids`. All randomness derives from `key`."""

    @abstractmethod
    def build(self, network: HeadNetwork, outputs: Any, inputs: dict[str, Any]) -> HeadOutput:
        """Add the head and the loss to a program.

        `outputs` [selected, hidden] are the encoder's outputs at `Labels.selected`. `inputs` holds `feeds` by name.
        """

    @abstractmethod
    def logits(self, network: HeadNetwork, outputs: Any) -> Any:
        """Add the head without the loss: logits [tokens, n] from the encoder's outputs [tokens, hidden]."""

    def prediction_scores(self, logits: Any) -> Any:
        """Return the scores that predictions are made from, [tokens, n]: the logits, or probabilities."""
        return logits

    def classes(self, vocabulary_size: int) -> int | None:
        """Return the number of classes. By default None: there are none, or each sample has its own number of them.

        A uniform guess among n classes has the loss ln(n).
        """
        return None

    def with_labels(self, labels: Sequence[str]) -> "Objective":
        """Return this objective for samples whose column has these labels, empty if the classes have no names.

        Raises:
            UserError: the objective has other classes.
        """
        return self


@dataclass(frozen=True)
class Task:
    """A pre-training task; `task_id` is its row of the task embedding.

    With `always_auxiliary` its loss is an auxiliary loss in every stage from the one that introduces it, active or not.
    """

    name: str
    task_id: int
    objective: Objective
    always_auxiliary: bool = False


class ClassificationObjective(Objective):
    """Classification with cross entropy, of tokens or of whole sequences."""

    def __init__(self, labels: Sequence[str] | None, column: Column, head: str):
        """Name the classes, or None if the samples name them; `head` is the prefix of the head's parameters."""
        self.labels = None if labels is None else tuple(labels)
        self.level, self.column = column.level, column
        self.head = head
        self.heads = type(self).heads or (head,)  # a subclass with several layers names them all

    @property
    def label_feed(self) -> str:
        return f"{self.head}_label"

    def with_labels(self, labels: Sequence[str]) -> "ClassificationObjective":
        if self.labels is not None and labels and tuple(labels) != self.labels:
            raise UserError(f"classes {', '.join(labels)}; the task has {', '.join(self.labels)}")
        if self.labels is None and not labels:
            raise UserError("the shards name no classes; build them again")
        bound = copy(self)
        bound.labels = self.labels or tuple(labels)
        return bound

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed(self.label_feed, (-1,), "int64"),)

    def build(self, network: HeadNetwork, outputs: Any, inputs: dict[str, Any]) -> HeadOutput:
        logits = self.logits(network, outputs)
        return HeadOutput(*network.cross_entropy(logits, inputs[self.label_feed]), logits)

    def prediction_scores(self, logits: Any) -> Any:
        return logits.softmax()

    def classes(self, vocabulary_size: int) -> int:
        if self.labels is None:
            raise ValueError(f"{self.head}: call with_labels with the labels of the samples first")
        return len(self.labels)


class SentenceClassificationObjective(ClassificationObjective):
    """Classification of the whole sequence by its pooled first token, with cross entropy."""

    def __init__(self, labels: Sequence[str] | None, head: str, column: str = LABEL):
        """Name the classes, or None if the samples name them; `head` is the prefix of the head's parameters."""
        super().__init__(labels, Column(column, "sentence", tuple(labels or ()), "int16"), head)

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        labels = batch.sample_columns[self.column.name].astype(np.int64)
        return Labels(batch.first_tokens, {self.label_feed: labels}, labels)

    def logits(self, network: HeadNetwork, outputs: Any) -> Any:
        return network.sentence_logits(outputs, self.head, self.classes(0))


class TokenClassificationObjective(ClassificationObjective):
    """Classification of every labelled token, with cross entropy."""

    def __init__(self, labels: Sequence[str] | None, column: str, head: str):
        """Name the classes, or None if the samples name them; `head` is the prefix of the head's parameters."""
        super().__init__(labels, Column(column, "token", tuple(labels or ()), "int16"), head)

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        column = batch.columns[self.column.name]
        tokens = np.flatnonzero(column != IGNORED)
        tokens, labels = pad_labels(tokens, column[tokens].astype(np.int64))
        return Labels(tokens, {self.label_feed: labels}, labels)

    def logits(self, network: HeadNetwork, outputs: Any) -> Any:
        return network.token_logits(outputs, self.head, self.classes(0))
