"""The YAML files of pre-training and fine-tuning runs; imports no Paddle."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from ernie_paddle.config import FileName, Settings, apply_overrides, check_settings, read_yaml
from ernie_paddle.errors import UserError
from ernie_paddle.kind import Signature
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.training.plan import PlanSettings

SIZES = ("base", "large")
Resume = Literal["no", "yes", "auto"]


def add_resume(parser: argparse._ActionsContainer) -> None:
    """Add the option `--resume [auto]`, a `Resume`."""
    parser.add_argument(
        "--resume",
        nargs="?",
        const="yes",
        default="no",
        choices=("yes", "auto"),
        help="resume from the newest complete checkpoint in --out; with 'auto', start anew where there is none",
    )


class ModelSection(Settings):
    """The `model` section: the file with the encoder's sizes."""

    config: Path


class DataSection(Settings):
    """The `data` section: the folder that `ernie-paddle build` wrote; its `vocab.txt` unless another is named."""

    shards: Path
    vocab: Path | None = None


class PretrainSettings(Settings):
    """A pre-training run. All sections but `impl` decide the result."""

    model: ModelSection
    data: DataSection
    plan: PlanSettings
    train: TrainSettings
    impl: ImplSettings = ImplSettings()


class EvaluateEvery(Settings):
    """When fine-tuning scores the dev sets: every so many updates or epochs (0.5: twice an epoch), and at the end."""

    updates: int | None = Field(default=None, ge=1)
    epochs: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_unit(self) -> "EvaluateEvery":
        if (self.updates is None) == (self.epochs is None):
            raise ValueError("give either updates or epochs, and null for the other")
        return self

    def without_effect(self, epoch_ends: Sequence[int]) -> list[str]:
        """Return a warning if a run whose epochs end so is over before the first time."""
        intervals = {"updates": (self.updates, epoch_ends[-1]), "epochs": (self.epochs, len(epoch_ends))}
        return [
            f"evaluate_every.{unit} {every:,} is more than the {total:,} {unit} of the run: dev is scored at its end"
            for unit, (every, total) in intervals.items()
            if every is not None and every > total
        ]

    def points(self, epoch_ends: Sequence[int]) -> frozenset[int]:
        """Return the updates after which the dev sets are scored; `epoch_ends` [epochs] are those that end an epoch."""
        total = epoch_ends[-1]
        if self.updates is not None:
            return frozenset({*range(self.updates, total, self.updates), total})
        assert self.epochs is not None
        if self.epochs * np.diff([0, *epoch_ends]).max() <= 0.5:  # whatever the rounding, no update is passed over
            return frozenset(range(1, total + 1))
        places = np.arange(1, int(len(epoch_ends) / self.epochs) + 1) * self.epochs
        updates = np.interp(places, np.arange(len(epoch_ends) + 1), [0, *epoch_ends])
        return frozenset({*np.round(updates).astype(int).tolist(), total} - {0})


class FinetuneSettings(Settings):
    """A recipe of fine-tuning. All sections but `impl` decide the result.

    `data` is read by the kind of fine-tuning. `metric` scores each set of the dev and test data, the first of dev
    chooses the model; `metric_options` are the metric's own. `evaluate_every`: how often dev is scored. `dropout`: the
    model's own unless given. `paper`: published figures in per cent by set and figure, and `paper_source` where they
    were published. `submission`: the names of the leaderboard's files by set. A recipe without `train` is for
    prediction, with a model of another recipe.
    """

    signature: Signature
    metric: str = "accuracy"
    metric_options: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any]
    epochs: int = Field(default=1, ge=1, le=100_000)
    evaluate_every: EvaluateEvery = EvaluateEvery(epochs=1)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    train: TrainSettings | None = None
    impl: ImplSettings = ImplSettings()
    paper: dict[str, dict[str, float]] = Field(default_factory=dict)
    paper_source: str = ""
    submission: dict[str, FileName] = Field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """All that decides the result, as JSON."""
        return self.model_dump(mode="json", exclude={"impl", "paper", "paper_source", "submission"})


def load_recipe(path: Path, size: str, overrides: list[str]) -> FinetuneSettings:
    """Read a recipe for a size of model and apply `a.b=value` overrides.

    The section of that size is laid over the rest; a recipe without such sections is for all sizes.

    Raises:
        UserError: file missing, unknown key, value of the wrong type, sections of other sizes only.
    """
    tree = read_yaml(path)
    sections = {name: tree.pop(name) for name in SIZES if name in tree}
    if sections and size not in sections:
        raise UserError(f"{path}: no section for the size '{size}'; there are: {', '.join(sections)}")
    tree = apply_overrides(_laid_over(tree, sections.get(size, {})), overrides)
    return check_settings(FinetuneSettings, tree, str(path))


def _laid_over(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _laid_over(below.get(key), value) for key, value in above.items()}
