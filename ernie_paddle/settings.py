"""The `train` and `impl` sections shared by pre-training and fine-tuning."""

from typing import Literal

from pydantic import Field, model_validator

from ernie_paddle.config import Settings
from ernie_paddle.data.order import NO_LIMIT, BatchSize

Precision = Literal["fp32", "bf16", "fp16"]
Attention = Literal["automatic", "rectangles", "flash"]


class AdamSettings(Settings):
    """AdamW with decay apart from the moments; LayerNorm and biases are not decayed (as in the release)."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.98, ge=0, lt=1)  # the paper's; the release's scripts use 0.999
    epsilon: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)  # null: gradients are not clipped


class LearningRateSettings(Settings):
    """How the learning rate goes over the updates; see `learning_rate.py` for the formulas."""

    peak: float = Field(gt=0)
    schedule: Literal["linear_warmup_decay", "linear", "noam_decay", "constant"] = "linear_warmup_decay"
    warmup_updates: int = Field(default=0, ge=0)
    warmup_share: float = Field(default=0.0, ge=0, lt=1)  # the same as a share of all updates
    restart: Literal["never", "stage"] = "never"

    @model_validator(mode="after")
    def _one_warmup(self) -> "LearningRateSettings":
        if self.warmup_updates and self.warmup_share:
            raise ValueError("give warmup_updates or warmup_share, not both")
        return self


class TrainSettings(Settings):
    """What decides the result of a run."""

    seed: int = 1
    precision: Precision = "fp32"  # of matrix products; parameters, moments and losses are always fp32
    batch_tokens: int | None = Field(default=None, ge=1)  # padded tokens of a micro-batch, or:
    batch_samples: int | None = Field(default=None, ge=1)  # samples of a micro-batch
    group_by_length: bool = True  # micro-batches of samples of similar length: less padding, a less random order
    accumulation: int = Field(default=1, ge=1)  # micro-batches of an update
    learning_rate: LearningRateSettings
    adam: AdamSettings = AdamSettings()
    validation_samples: int = Field(default=2000, ge=1)  # held-out samples of each task that an evaluation takes

    @model_validator(mode="after")
    def _one_batch_size(self) -> "TrainSettings":
        if (self.batch_tokens is None) == (self.batch_samples is None):
            raise ValueError("give either batch_tokens or batch_samples")
        return self

    @property
    def batch_size(self) -> BatchSize:
        return BatchSize(self.batch_samples or NO_LIMIT, self.batch_tokens or NO_LIMIT)


class ImplSettings(Settings):
    """What may change speed and memory, never the result."""

    prefetch: int = Field(default=4, ge=1)  # updates whose batches are prepared ahead
    recompute: bool = False  # compute layers again for their gradients: less memory, a third more time
    attention: Attention = "automatic"  # flash needs a GPU of compute capability 8 and bf16 or fp16
    log_every: int = Field(default=20, ge=1)  # updates between two records in the log
    save_every: int = Field(default=500, ge=1)  # updates between two checkpoints
    keep_checkpoints: int = Field(default=2, ge=1)
