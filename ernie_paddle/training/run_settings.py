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
    """The `data` section of a fine-tuning run; `train_rows`: how many rows of the training file, from its start."""

    train: Path
    dev: Path
    test: Path | None = None
    train_rows: int | None = Field(default=None, ge=1)

    def files(self) -> dict[str, Path]:
        """The files that are given, by split."""
        return {split: path for split, path in (("train", self.train), ("dev", self.dev), ("test", self.test)) if path}


class FinetuneSettings(Settings):
    """A fine-tuning run. All sections but `impl` decide the result. `dropout`: the model's own unless given."""

    signature: Signature
    data: LabelledFiles
    epochs: int = Field(ge=1)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    train: TrainSettings
    impl: ImplSettings = ImplSettings()
