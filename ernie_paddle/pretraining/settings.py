"""The plan config: the YAML file of a pre-training run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ernie_paddle.config import Settings
from ernie_paddle.data.order import MixedCorpus, mixture
from ernie_paddle.pretraining.plan import PlanSettings
from ernie_paddle.settings import ImplSettings, TrainSettings

Weight = Annotated[float, Field(ge=0, le=1_000_000)]


class ModelSection(Settings):
    """The `model` section."""

    config: Path
    """JSON file with the encoder's sizes, see the model config."""


class DataSection(Settings):
    """The `data` section."""

    shards: Path
    """Folder that `ernie-paddle build` wrote."""
    vocab: Path | None = None
    """Vocabulary; `null`: the `vocab.txt` of the shards."""
    weights: dict[str, Weight] = Field(default_factory=dict)
    """Weights of corpora by their names in the corpora config: how often their samples are drawn, 1 by default. With
    2, each sample is drawn twice as often as one of a corpus with 1; with 0, none is."""


class PretrainSettings(Settings):
    """A plan config. All sections but `impl` decide the result."""

    model: ModelSection
    """The encoder."""
    data: DataSection
    """The samples."""
    plan: PlanSettings
    """Tasks and stages."""
    train: TrainSettings
    """Training; with `model`, `data` and `plan`, all that decides the result."""
    impl: ImplSettings = ImplSettings()
    """What may change speed and memory, never the result."""

    def mixture(self, task: str, samples: Mapping[str, int]) -> tuple[MixedCorpus, ...]:
        """Return the mixture of a task's corpora, which have so many samples."""
        return mixture(samples, self.data.weights, self.plan.tasks[task].temperature)
