"""The interface of a metric: gold labels and predictions in, named values out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from ernie_paddle.errors import UserError
from ernie_paddle.registry import nearest

# Gold labels against predictions, row by row. labels: classes; numbers: numbers; relevance: 0 or 1 against a score;
# judgements: 0 or 1 against a predicted 0 or 1 and its score; tags: sequences of tags; texts: all accepted answers
# against one text.
InputType = Literal["labels", "numbers", "relevance", "judgements", "tags", "texts"]


class MetricValues(NamedTuple):
    """The values that a metric measured, and why they are degenerate, if they are (see `Scores`)."""

    values: dict[str, float]
    degenerate: str | None = None


@dataclass(frozen=True)
class Scores:
    """The metric values of a model on a set.

    `values` are shares between 0 and 1 or correlations between -1 and 1, never NaN. `selection_metric` names the value
    that selects the best checkpoint. `count` is the number of rows, texts or questions; for rankings, of candidates.
    `degenerate` says why the values mean little, such as one class predicted everywhere. Undefined values are then 0.0.
    """

    values: dict[str, float]
    selection_metric: str
    count: int
    degenerate: str | None = None

    @property
    def selection_value(self) -> float:
        """The value that selects the best checkpoint. Higher is better."""
        return self.values[self.selection_metric]

    def as_record(self) -> dict[str, Any]:
        """Return the scores as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Metric:
    """A metric. Call it with gold labels and predictions of its `input_type`, in the same order.

    `measure(gold, predicted, **options)` returns all of `values`. Its keywords are `options`, each with the allowed
    values (none: any value), and `columns`, each with one value per row.
    """

    name: str
    input_type: InputType
    values: tuple[str, ...]
    selection_metric: str
    measure: Callable[..., MetricValues]
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    def __call__(self, gold: Sequence[Any], predicted: Sequence[Any], **options: Any) -> Scores:
        """Score predictions.

        Raises:
            UserError: an option is missing or unknown, or has a value that is not allowed.
            ValueError: the numbers of gold labels and predictions differ.
        """
        self.check_options({name: value for name, value in options.items() if name not in self.columns})
        if len(gold) != len(predicted):
            raise ValueError(f"{self.name}: {len(gold)} gold labels and {len(predicted)} predictions")
        if not len(gold):
            return Scores(dict.fromkeys(self.values, 0.0), self.selection_metric, 0, "there is nothing to score")
        measured = self.measure(gold, predicted, **options)
        return Scores(measured.values, self.selection_metric, len(gold), measured.degenerate)

    def check_options(self, options: Mapping[str, Any], where: str = "") -> None:
        """Raise a `UserError` unless `options` holds exactly the metric's options, each with an allowed value.

        `where` begins the message.
        """
        prefix = f"{where}: metric '{self.name}'" if where else f"metric '{self.name}'"
        for name in options:
            if name not in self.options:
                raise UserError(f"{prefix}: unknown option '{name}'{nearest(name, list(self.options))}")
        for name, allowed in self.options.items():
            if name not in options:
                raise UserError(f"{prefix}: option '{name}' is missing")
            if allowed and options[name] not in allowed:
                raise UserError(
                    f"{prefix}: unknown {name} '{options[name]}'{nearest(str(options[name]), list(allowed))}"
                )
