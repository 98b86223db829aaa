"""The YAML file of a pre-training run; imports no Paddle."""

from pathlib import Path

from ernie_paddle.config import Settings
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.training.plan import PlanSettings


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
