"""The plan config: the YAML file of a pre-training run."""

from pathlib import Path

from ernie_paddle.config import Settings
from ernie_paddle.pretraining.plan import PlanSettings
from ernie_paddle.settings import ImplSettings, TrainSettings


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
