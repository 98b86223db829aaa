"""What a metric is: gold and predicted values in, named figures out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from ernie_paddle.errors import UserError
from ernie_paddle.registry import nearest

# labels: a class a row; numbers: a score a row; relevance: 0 or 1 against a score a row; judgements: 0 or 1 against the
# same as predicted and its score; tags: a sequence of tags a text; texts: all accepted answers against one text.
Needs = Literal["labels", "numbers", "relevance", "judgements", "tags", "texts"]


class Measured(NamedTuple):
    """Figures by name, and why they say little about the model (see `Scores`)."""

    figures: dict[str, float]
    degenerate: str | None = None


@dataclass(frozen=True)
class Scores:
    """What a metric found.

    `figures` are shares between 0 and 1, correlations between -1 and 1, never NaN. `ranks_by` names the one that ranks
    checkpoints. `count` is the number of rows, texts or questions (for rankings: of candidates). `degenerate` says in
    words why the figures are those of a model that tells nothing apart; what is undefined then is 0.0.
    """

    figures: dict[str, float]
    ranks_by: str
    count: int
    degenerate: str | None = None

    @property
    def rank(self) -> float:
        """The figure that ranks checkpoints; more is better."""
        return self.figures[self.ranks_by]

    def as_record(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Metric:
    """A metric by name; call it with gold and predicted values of the kind that it `needs`, in the same order.

    `measure(gold, predicted, **options)` returns all of `figures`. It must be given the keywords `options`, each with
    the values it knows (none: any will do), and the keywords `columns`, each with a value a row.
    """

    name: str
    needs: Needs
    figures: tuple[str, ...]
    ranks_by: str
    measure: Callable[..., Measured]
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    def __call__(self, gold: Sequence[Any], predicted: Sequence[Any], **options: Any) -> Scores:
        """Score predictions.

        Raises:
            UserError: an option is missing, unknown or has a value that the metric does not know.
            ValueError: gold and predicted values are not equally many.
        """
        self.check_options({name: value for name, value in options.items() if name not in self.columns})
        if len(gold) != len(predicted):
            raise ValueError(f"{self.name}: {len(gold)} gold values, {len(predicted)} predicted ones")
        if not len(gold):
            return Scores(dict.fromkeys(self.figures, 0.0), self.ranks_by, 0, "there is nothing to score")
        measured = self.measure(gold, predicted, **options)
        return Scores(measured.figures, self.ranks_by, len(gold), measured.degenerate)

    def check_options(self, given: Mapping[str, Any], where: str = "") -> None:
        """Raise a `UserError` unless exactly the metric's options have values it knows; `where` says who gave them."""
        begin = f"{where}: metric '{self.name}'" if where else f"metric '{self.name}'"
        for name in given:
            if name not in self.options:
                raise UserError(f"{begin}: unknown option '{name}'{nearest(name, list(self.options))}")
        for name, known in self.options.items():
            if name not in given:
                raise UserError(f"{begin}: option '{name}' is missing")
            if known and given[name] not in known:
                raise UserError(f"{begin}: unknown {name} '{given[name]}'{nearest(str(given[name]), list(known))}")
