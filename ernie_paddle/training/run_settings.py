"""The YAML files of pre-training and fine-tuning runs; imports no Paddle."""

from pathlib import Path

from pydantic import Field

from ernie_paddle.config import Settings
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.task import Signature
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


class LabelledFiles(Settings):
    """The `data` section of a fine-tuning run."""

    train: Path
    dev: Path
    test: Path | None = None

    def files(self) -> dict[str, Path]:
        """The files that are given, by split."""
        return {split: path for split, path in (("train", self.train), ("dev", self.dev), ("test", self.test)) if path}


class FinetuneSettings(Settings):
    """A fine-tuning run. All sections but `impl` decide the result."""

    signature: Signature
    data: LabelledFiles
    epochs: int = Field(ge=1)
    train: TrainSettings
    impl: ImplSettings = ImplSettings()
