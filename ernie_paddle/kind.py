"""What a kind of fine-tuning is to the engine: examples to samples, scores to answers. No Paddle here."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from ernie_paddle.config import Settings, check_settings, each_once
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.errors import UserError
from ernie_paddle.metric import Metric, Scores
from ernie_paddle.task import NoOptions, Objective
from ernie_paddle.text.vocabulary import Vocabulary

SIGNATURE_FILE = "signature.json"


class Signature(Settings):
    """What a fine-tuned model expects and answers; kept beside it as `signature.json`.

    `task` is the kind of fine-tuning, `labels` the classes in the order of their ids (None where there are none),
    `max_length` the longest input in tokens, special ones included, `task_id` the row of the task embedding, `options`
    those of the kind.
    """

    task: str
    labels: tuple[str, ...] | None = Field(default=None, min_length=2)
    max_length: int = Field(ge=3)
    task_id: int = Field(default=0, ge=0)
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("labels")
    @classmethod
    def _named_once(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return labels if labels is None else each_once(labels)


class KeptSignature(Signature):
    """The signature of a fine-tuned model: `data` says how the files it was trained on are read."""

    data: dict[str, Any]


@dataclass(frozen=True)
class ExampleSet:
    """The examples of a set of files, in their order; `notes` say what was met in reading them."""

    name: str
    examples: Sequence[Any]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Encoded:
    """Examples as samples. `details` are what the kind needs to read answers from their scores."""

    samples: SampleBlock
    details: Any = None


@dataclass(frozen=True)
class Answer:
    """What a model says of an example: a label, a number, tags, a text or the number of a choice.

    `scores` are what it was chosen by: probabilities in the order of the labels or choices, if there are such.
    """

    value: Any
    scores: Sequence[float] = field(default_factory=tuple)


@dataclass(frozen=True)
class ModelClass:
    """The model class of PaddleNLP and Hugging Face that has the same head, `ErnieFor<suffix>`.

    `problem_type` is that key of its `config.json`. `differences` says what other libraries leave to the caller; empty
    if there is nothing.
    """

    suffix: str
    problem_type: str | None = None
    differences: str = ""


class FinetuningKind(ABC):
    """A kind of fine-tuning, such as classification; `Options` are those of `Signature.options`.

    `model_class` is None if the other libraries have no such head. Of several kinds with the same class, the first
    that is registered takes models of it.
    """

    name: ClassVar[str]
    Options: ClassVar[type[Settings]] = NoOptions
    model_class: ClassVar[ModelClass | None] = None
    answers_are: ClassVar[tuple[str, ...]] = ("labels",)  # what metrics need that can score them
    has_labels: ClassVar[bool] = True  # are the answers labels of the signature, or tags?
    least_length: ClassVar[int] = 3  # tokens that a sample has at least

    @property
    def usual_data(self) -> dict[str, Any]:
        """The `data` section for a model that comes without a recipe."""
        return {}

    def check_signature(self, signature: Signature) -> None:
        """Raise a `UserError` if labels, length or options of the signature are not as this kind needs them."""
        check_settings(self.Options, signature.options, "signature.options")
        if self.has_labels and signature.labels is None:
            raise UserError(f"signature.labels: {self.name} needs the names of its classes")
        if not self.has_labels and signature.labels is not None:
            raise UserError(f"signature.labels: {self.name} has no classes; remove the key or name another task")
        if signature.max_length < self.least_length:
            raise UserError(
                f"signature.max_length {signature.max_length}: {self.name} needs {self.least_length} or more"
            )

    def check_metric(self, metric: Metric, options: Mapping[str, Any], signature: Signature) -> None:
        """Raise a `UserError` if a metric cannot score answers of this kind, or an option is not as it should be."""
        if metric.needs not in self.answers_are:
            raise UserError(f"metric: '{metric.name}' scores {metric.needs}; {self.name} answers {self.answers_are[0]}")
        if "positive" in metric.options and not self.has_labels:
            raise UserError(f"metric: '{metric.name}' scores one label against the others; {self.name} has none")
        given = {**self.given_options(metric, (), signature), **options}
        metric.check_options(given, "metric_options")
        if "positive" in metric.options and given["positive"] not in (signature.labels or ()):
            known = ", ".join(map(repr, signature.labels or ()))
            raise UserError(f"metric_options.positive: {given['positive']!r} is not among the recipe's labels: {known}")

    def check_gold(self, metric: Metric, labelled: ExampleSet) -> None:
        """Raise a `UserError` if a metric could not score answers to a labelled set."""
        return

    def given_options(self, metric: Metric, examples: Sequence[Any], signature: Signature) -> dict[str, Any]:
        """The metric's options that the kind itself gives: the positive class is the last, unless it is named."""
        return {"positive": signature.labels[-1]} if "positive" in metric.options and signature.labels else {}

    def columns(self, metric: Metric, examples: Sequence[Any]) -> dict[str, Sequence[Any]]:
        """The metric's columns: a value for each example."""
        return {}

    @abstractmethod
    def objective(self, signature: Signature) -> Objective:
        """Head and loss."""

    @abstractmethod
    def check_data(self, data: Mapping[str, Any], where: str) -> None:
        """Raise a `UserError` if the `data` section of a recipe is not as it should be; `where` begins it."""

    @abstractmethod
    def read(self, data: Mapping[str, Any], split: str, signature: Signature) -> list[ExampleSet]:
        """The sets of a split (train, dev or test) as a recipe's `data` section names them.

        Raises:
            UserError: a file is missing or not as the recipe says.
        """

    @abstractmethod
    def is_labelled(self, example: Any) -> bool:
        """Does the example come with what it should be answered?"""

    @abstractmethod
    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        """Examples as samples; those without labels carry -1 or zeros instead."""

    @abstractmethod
    def answers(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Answer]:
        """An answer an example, in order. `scores` [tokens or sequences, ...] are the objective's, one a sample."""

    @abstractmethod
    def gold(self, example: Any) -> Any:
        """What a labelled example should be answered, as its metric takes it."""

    def score(
        self,
        metric: Metric,
        options: Mapping[str, Any],
        examples: Sequence[Any],
        answers: Sequence[Answer],
        signature: Signature,
    ) -> Scores:
        """Score answers to labelled examples."""
        options = {**self.given_options(metric, examples, signature), **options, **self.columns(metric, examples)}
        return metric(*self.compared(metric, examples, answers, signature), **options)

    def compared(
        self, metric: Metric, examples: Sequence[Any], answers: Sequence[Answer], signature: Signature
    ) -> tuple[list[Any], list[Any]]:
        """Gold and answered values, as the metric takes them."""
        return [self.gold(one) for one in examples], [answer.value for answer in answers]
