"""A recipe of fine-tuning: one file a task, with sections for the sizes of the model."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ernie_paddle.config import Settings, apply_overrides, check_settings, read_yaml
from ernie_paddle.errors import UserError
from ernie_paddle.settings import ImplSettings, TrainSettings
from tasks.finetuning.reading.data import DataSettings

SIZES = ("base", "large")

Kind = Literal[
    "classification",
    "regression",
    "sequence_labelling",
    "reading_comprehension",
    "multiple_choice",
    "cloze",
    "pronoun_resolution",
]
Metric = Literal[
    "accuracy",
    "f1",
    "accuracy_and_f1",
    "matthews_correlation",
    "pearson_and_spearman",
    "mrr",
    "entity_f1",
    "em_and_f1",
]


class SignatureSection(Settings):
    """The kind of task, its classes (None where it has none) and the longest input in tokens, special ones included."""

    task: Kind
    labels: tuple[str, ...] | None = Field(default=None, min_length=2)
    max_length: int = Field(ge=3)
    options: dict[str, Any] = Field(default_factory=dict)  # of the kind


class Recipe(Settings):
    """A recipe for one size of model.

    `paper`: published scores in per cent by set and measure. A recipe without `train` is for prediction alone, with a
    model of another recipe.
    """

    signature: SignatureSection
    metric: Metric
    data: DataSettings
    epochs: int | None = Field(default=None, ge=1)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    train: TrainSettings | None = None
    impl: ImplSettings = ImplSettings()
    paper: dict[str, dict[str, float]] = Field(default_factory=dict)


def load_recipe(path: Path, size: str = "base", overrides: list[str] | None = None) -> Recipe:
    """Read a recipe for a size of model and apply `a.b=value` overrides.

    Raises:
        UserError: file missing, unknown key, value of the wrong type, a size that the file does not know.
    """
    return check_settings(Recipe, apply_overrides(of_size(read_yaml(path), size, path), overrides or []), str(path))


def of_size(tree: dict[str, Any], size: str, path: Path) -> dict[str, Any]:
    """A recipe's tree with the section of one size laid over the rest; without such sections it is for all sizes.

    Raises:
        UserError: the file has sections of other sizes only.
    """
    sections = {name: tree[name] for name in SIZES if name in tree}
    common = {key: value for key, value in tree.items() if key not in SIZES}
    if not sections:
        return common
    if size not in sections:
        raise UserError(f"{path}: no section for the size '{size}'; there are: {', '.join(sections)}")
    return _laid_over(common, sections[size])


def _laid_over(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _laid_over(below.get(key), value) for key, value in above.items()}
