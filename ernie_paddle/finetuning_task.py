"""The interface between a fine-tuning task and the engine: examples to samples, scores to predictions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from ernie_paddle.config import NoOptions, Settings, check_settings, each_once
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.errors import UserError
from ernie_paddle.inputs import TaskInput
from ernie_paddle.metric import Metric, Scores
from ernie_paddle.task import Objective
from ernie_paddle.text.vocabulary import Vocabulary

SIGNATURE_FILE = "signature.json"


class Signature(Settings):
    """What a fine-tuned model expects and predicts; kept beside it as `signature.json`."""

    task: str
    """The fine-tuning task."""
    labels: tuple[str, ...] | None = Field(default=None, min_length=2)
    """Names of the classes in the order of their ids; `null` where there are none."""
    max_length: int = Field(ge=3)
    """Tokens of the longest input, special tokens included."""
    task_id: int = Field(default=0, ge=0)
    """Row of the task embedding."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The fine-tuning task's own options."""

    @field_validator("labels")
    @classmethod
    def _named_once(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return labels if labels is None else each_once(labels)


class KeptSignature(Signature):
    """A signature as it is stored beside a model: with the recipe's data and metric."""

    data: dict[str, Any]
    """How the files are read that the model was trained on."""
    metric: str | None = None
    """The metric of the recipe; `null` for models that were not fine-tuned here."""
    metric_options: dict[str, Any] = Field(default_factory=dict)
    """The metric's own options."""


@dataclass(frozen=True)
class ExampleSet:
    """The examples of a set of files in their order. `notes` report what was skipped or corrected in reading them."""

    name: str
    examples: Sequence[Any]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class ExampleStream:
    """The examples of a set of files as they are read. `notes` returns notes like those of `ExampleSet` afterwards."""

    name: str
    examples: Iterator[Any]
    notes: Callable[[], list[str]]


@dataclass(frozen=True)
class Encoded:
    """Examples encoded as samples. `details` are what the task needs to read predictions from the samples' scores."""

    samples: SampleBlock
    details: Any = None


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for an example. Each fine-tuning task has a subclass, which has it in words.

    `value` is what metrics compare with gold labels: a label, a number, tags, a text or the number of a choice.
    `scores` are probabilities in the order of the labels or choices, empty if the task has neither.
    """

    value: Any
    scores: Sequence[float] = field(default_factory=tuple)

    def as_record(self) -> dict[str, Any]:
        """Return the prediction in words as plain values, for JSON."""
        return {"prediction": self.value}


@dataclass(frozen=True)
class ModelClass:
    """The model class of PaddleNLP and Hugging Face with the same head, `ErnieFor<suffix>`.

    `layer` is the head's name in PaddleNLP, and in Hugging Face if `huggingface_layer` is None. `problem_type` is the
    key of this name in its `config.json`. `differences` says what the other libraries leave to their caller, empty if
    nothing.
    """

    suffix: str
    layer: str = "classifier"
    huggingface_layer: str | None = None
    problem_type: str | None = None
    differences: str = ""


class FinetuningTask(ABC):
    """A fine-tuning task, such as classification. `Options` are the settings of `Signature.options`.

    `head` is the prefix of its head's parameters, and `release_head` its name in the release, without `_w` and `_b`.
    `model_class` is None if the other libraries have no such head. If several tasks have the same model class, models
    of that class are converted to the task that is registered first.
    """

    name: ClassVar[str]
    head: ClassVar[str]
    release_head: ClassVar[str | None] = None
    Input: ClassVar[type[TaskInput]]
    Options: ClassVar[type[Settings]] = NoOptions
    model_class: ClassVar[ModelClass | None] = None
    prediction_types: ClassVar[tuple[str, ...]] = ("labels",)  # input types of the metrics that score the predictions
    scored: ClassVar[Literal["labels", "choices"] | None] = None  # what the scores of predictions belong to
    has_labels: ClassVar[bool] = True  # whether predictions are labels of the signature, one or a sequence
    least_length: ClassVar[int] = 3  # fewest tokens of a sample

    @property
    def usual_data(self) -> dict[str, Any]:
        """The `data` section of a model that was not fine-tuned with a recipe."""
        return {}

    def check_signature(self, signature: Signature) -> None:
        """Raise a `UserError` if the labels, length or options of the signature do not fit this task."""
        check_settings(self.Options, signature.options, "signature.options")
        if self.has_labels and signature.labels is None:
            raise UserError(f"signature.labels: {self.name} needs the names of its classes")
        if not self.has_labels and signature.labels is not None:
            raise UserError(f"signature.labels: {self.name} has no classes; remove the key, or use another task")
        if signature.max_length < self.least_length:
            raise UserError(
                f"signature.max_length {signature.max_length}: {self.name} needs {self.least_length} or more"
            )

    def check_metric(self, metric: Metric, options: Mapping[str, Any], signature: Signature) -> None:
        """Raise a `UserError` if a metric cannot score this task's predictions, or an option is invalid."""
        if metric.input_type not in self.prediction_types:
            raise UserError(
                f"metric: '{metric.name}' scores {metric.input_type}; {self.name} predicts {self.prediction_types[0]}"
            )
        if "positive" in metric.options and not self.has_labels:
            raise UserError(f"metric: '{metric.name}' scores one label against the others; {self.name} has no labels")
        options = {**self.given_options(metric, (), signature), **options}
        metric.check_options(options, "metric_options")
        if "positive" in metric.options and options["positive"] not in (signature.labels or ()):
            known = ", ".join(map(repr, signature.labels or ()))
            raise UserError(
                f"metric_options.positive: {options['positive']!r} is not among the recipe's labels: {known}"
            )

    def check_gold(self, metric: Metric, labelled: ExampleSet) -> None:
        """Raise a `UserError` if a metric cannot score predictions for a labelled set."""
        return

    def given_options(self, metric: Metric, examples: Sequence[Any], signature: Signature) -> dict[str, Any]:
        """Return the metric options that the task sets by default: the positive class is the last label."""
        return {"positive": signature.labels[-1]} if "positive" in metric.options and signature.labels else {}

    def columns(self, metric: Metric, examples: Sequence[Any]) -> dict[str, Sequence[Any]]:
        """Return the metric's columns, with one value per example."""
        return {}

    @abstractmethod
    def objective(self, signature: Signature) -> Objective:
        """Return the objective: head and loss."""

    @abstractmethod
    def check_data(self, data: Mapping[str, Any], where: str) -> None:
        """Raise a `UserError` if the `data` section of a recipe is invalid. `where` begins its message."""

    @abstractmethod
    def read(self, data: Mapping[str, Any], split: str, signature: Signature) -> list[ExampleSet]:
        """Read the sets of a split (train, dev or test) that a recipe's `data` section names.

        Raises:
            UserError: a file is missing, or its content is not what the recipe says.
        """

    @abstractmethod
    def stream(
        self, data: Mapping[str, Any], split: str, signature: Signature, skip_bad: bool = False
    ) -> list[ExampleStream]:
        """Return the sets that `read` reads, as they are read. Memory does not grow with files of one row per line.

        With `skip_bad`, a row that cannot be read yields a `BadRow` instead of raising a `UserError`.
        """

    @abstractmethod
    def example(self, given: Any, id: str, place: str) -> Any:
        """Return an unlabelled example of an `Input`, which is of this task's class.

        Raises:
            UserError: the input contradicts itself. The message begins with `place`.
        """

    def belongs_together(self, example: Any, following: Any) -> bool:
        """Check whether the predictions for two consecutive examples depend on each other."""
        return False

    @abstractmethod
    def is_labelled(self, example: Any) -> bool:
        """Check whether the example has a gold label."""

    @abstractmethod
    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        """Encode examples as samples. Samples of unlabelled examples have -1 or 0 for a label."""

    @abstractmethod
    def predictions(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Prediction]:
        """Return one prediction per example, in order.

        `scores` are the objective's prediction scores of each sample, [tokens or sequences, n].
        """

    @abstractmethod
    def gold(self, example: Any) -> Any:
        """Return the gold label of a labelled example, in the metric's form."""

    def score(
        self,
        metric: Metric,
        options: Mapping[str, Any],
        examples: Sequence[Any],
        predictions: Sequence[Prediction],
        signature: Signature,
    ) -> Scores:
        """Score predictions for labelled examples."""
        options = {**self.given_options(metric, examples, signature), **options, **self.columns(metric, examples)}
        return metric(*self.compared(metric, examples, predictions, signature), **options)

    def compared(
        self, metric: Metric, examples: Sequence[Any], predictions: Sequence[Prediction], signature: Signature
    ) -> tuple[list[Any], list[Any]]:
        """Return gold labels and predictions in the metric's form."""
        return [self.gold(example) for example in examples], [prediction.value for prediction in predictions]
