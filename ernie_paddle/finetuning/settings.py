"""The recipe: the YAML file of a fine-tuning run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from ernie_paddle.config import FileName, Settings, apply_overrides, check_settings, lay_over, read_config
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Signature
from ernie_paddle.settings import EvaluationInterval, ImplSettings, TrainSettings

SIZES = ("base", "large")


class EvaluateEvery(EvaluationInterval):
    """How often fine-tuning scores the dev sets: every `steps` steps or every `epochs` epochs, and at the end.

    `epochs` may be a fraction: 0.5 scores twice per epoch.
    """

    unit: ClassVar[str] = "epochs"

    epochs: float | None = Field(default=None, gt=0)
    """Epochs between two evaluations; 0.5: twice an epoch."""


class FinetuneSettings(Settings):
    """A recipe. All sections but `impl`, `paper`, `paper_source` and `submission` decide the result."""

    signature: Signature
    """What the model expects and predicts."""
    metric: str = "accuracy"
    """Metric of all dev and test sets; on the first dev set it selects the best model."""
    metric_options: dict[str, Any] = Field(default_factory=dict)
    """The metric's own options."""
    data: dict[str, Any]
    """The data files; see Data."""
    epochs: int = Field(default=1, ge=1, le=100_000)
    """Passes over the training set."""
    evaluate_every: EvaluateEvery = EvaluateEvery(epochs=1)
    """When the dev sets are scored, besides the end."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout of the whole model; `null`: the model's own."""
    train: TrainSettings | None = None
    """Training; a recipe without it is for prediction with a model of another recipe."""
    impl: ImplSettings = ImplSettings()
    """What may change speed and memory, never the result."""
    paper: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Published values in per cent, by set and metric value."""
    paper_source: str = ""
    """Where they were published."""
    submission: dict[str, FileName] = Field(default_factory=dict)
    """Names of the leaderboard's files, by set."""

    def identity(self, exclude_defaults: bool = False) -> dict[str, Any]:
        """Return everything that decides the result, as JSON; on request without what is at its default."""
        unread = {"impl", "paper", "paper_source", "submission"}
        return self.model_dump(mode="json", exclude=unread, exclude_defaults=exclude_defaults)


def load_recipe(path: Path | str, size: str = SIZES[0], overrides: Sequence[str] = ()) -> FinetuneSettings:
    """Read a recipe for a size of model, and apply `a.b=value` overrides.

    The section of that size is laid over the rest. A recipe without sections for sizes serves all sizes.

    Raises:
        UserError: a file is missing, a key is unknown, a value has the wrong type, or only other sizes have sections.
    """
    tree, names = read_config(Path(path))
    sections = {name: tree.pop(name) for name in SIZES if name in tree}
    if sections and size not in sections:
        raise UserError(f"{names}: no section for the size '{size}'; there are: {', '.join(sections)}")
    tree = apply_overrides(lay_over(sections.get(size, {}), tree), overrides)
    return check_settings(FinetuneSettings, tree, names)
