"""The `train` and `impl` sections shared by pre-training and fine-tuning."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from ernie_paddle.config import Settings
from ernie_paddle.data.order import NO_LIMIT, BatchSize

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
SumPrecision = Literal["fp32", "bf16"]
Attention = Literal["automatic", "padded", "flash"]
PositiveRate = Annotated[float, Field(gt=0)]


class AdamSettings(Settings):
    """AdamW: weight decay is decoupled from the moments and not applied to LayerNorm and biases (as in the release)."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of gradients."""
    beta2: float = Field(default=0.98, ge=0, lt=1)
    """Decay of the mean of squared gradients: 0.98 in the paper, 0.999 in the release's scripts."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Added to the root of the mean square."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decay of the weights; LayerNorm and biases are not decayed."""
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Greatest norm of all gradients together; `null`: gradients are not clipped."""


class LearningRateSettings(Settings):
    """The learning-rate schedule."""

    peak: PositiveRate | list[PositiveRate]
    """Highest learning rate, or a list with one for each stage (in fine-tuning, for each epoch)."""
    schedule: Literal["linear_warmup_decay", "linear", "noam_decay", "constant", "warmup_stable_decay"] = (
        "linear_warmup_decay"
    )
    """How the rate rises and falls; the formulas are in `training/learning_rate.py`."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps in which the rate rises to its peak."""
    warmup_share: float = Field(default=0.0, ge=0, lt=1)
    """The same as a share of all steps, rounded down; give one of the two."""
    decay_steps: int = Field(default=0, ge=0)
    """Last steps in which `warmup_stable_decay` falls from the peak to zero."""
    decay_share: float = Field(default=0.0, ge=0, le=1)
    """The same as a share of all steps, rounded down; give one of the two."""
    restart: Literal["never", "stage"] = "never"
    """`stage`: the schedule begins anew in every stage."""

    @model_validator(mode="after")
    def _one_warmup(self) -> "LearningRateSettings":
        if self.warmup_steps and self.warmup_share:
            raise ValueError("give warmup_steps or warmup_share, not both")
        return self

    @model_validator(mode="after")
    def _decay_fits(self) -> "LearningRateSettings":
        if self.decay_steps and self.decay_share:
            raise ValueError("give decay_steps or decay_share, not both")
        decays = bool(self.decay_steps or self.decay_share)
        if self.schedule == "warmup_stable_decay" and not decays:
            raise ValueError("the schedule warmup_stable_decay needs decay_steps or decay_share")
        if self.schedule != "warmup_stable_decay" and decays:
            raise ValueError(f"decay_steps and decay_share are for warmup_stable_decay, not for {self.schedule}")
        if self.warmup_share + self.decay_share > 1:
            raise ValueError("warmup_share and decay_share are together more than 1")
        return self

    def peaks(self, stages: int) -> list[float]:
        """Return the peak of each of so many stages."""
        return self.peak if isinstance(self.peak, list) else [self.peak] * stages


class TrainSettings(Settings):
    """Settings that decide the result of a run."""

    seed: int = 1
    """Seed of everything random."""
    precision: Precision = "fp32"
    """Of matrix products; parameters, moments and losses are always fp32. `tf32` is fp32 with a GPU's TF32 products."""
    gradient_sums: SumPrecision = "fp32"
    """Precision in which several GPUs sum their gradients; `bf16` halves what they send."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a micro-batch, padding included; give this or `batch_samples`."""
    batch_samples: int | None = Field(default=None, ge=1)
    """Samples of a micro-batch."""
    group_by_length: bool = True
    """Make micro-batches of samples of similar length: less padding, a less random order."""
    accumulation: int = Field(default=1, ge=1)
    """Micro-batches of a step, over all devices."""
    learning_rate: LearningRateSettings
    """The learning rate over the steps."""
    heads_first: int = Field(default=0, ge=0)
    """Stages (in fine-tuning, epochs) at the beginning of the run in which the heads alone are trained, and the encoder
    stays as it is: new heads do not distort it (arXiv 2202.10054)."""
    adam: AdamSettings = AdamSettings()
    """The optimiser, AdamW."""
    validation_samples: int = Field(default=2000, ge=1)
    """Held-out samples of each task in an evaluation, at most."""

    @model_validator(mode="after")
    def _one_batch_size(self) -> "TrainSettings":
        if (self.batch_tokens is None) == (self.batch_samples is None):
            raise ValueError("give either batch_tokens or batch_samples")
        return self

    @property
    def batch_size(self) -> BatchSize:
        return BatchSize(self.batch_samples or NO_LIMIT, self.batch_tokens or NO_LIMIT)


class EvaluationInterval(Settings):
    """How often a run is scored on held-out data: every `steps` steps, or every so many of its stages.

    A subclass adds the second key, `unit`, which calls the stages what they are.
    """

    unit: ClassVar[str]

    steps: int | None = Field(default=None, ge=1)
    """Steps between two evaluations; give this or the other."""

    @property
    def parts(self) -> float | None:
        """The value of the second key, in stages; 0.5: two evaluations a stage."""
        return getattr(self, self.unit)

    @model_validator(mode="after")
    def _one_unit(self) -> "EvaluationInterval":
        if (self.steps is None) == (self.parts is None):
            raise ValueError(f"give either steps or {self.unit}, and set the other to null")
        return self

    def too_long(self, ends: Sequence[int]) -> list[str]:
        """Return the reason why a run whose stages have these `ends` ends before the first interval, if it does."""
        intervals = {"steps": (self.steps, ends[-1]), self.unit: (self.parts, len(ends))}
        return [
            f"evaluate_every.{unit} {every:,} is more than the {total:,} {unit} of the run"
            for unit, (every, total) in intervals.items()
            if every is not None and every > total
        ]

    def points(self, ends: Sequence[int]) -> frozenset[int]:
        """Return the steps after which a run is scored. `ends` [stages] are the last steps of its stages."""
        total = ends[-1]
        if self.steps is not None:
            return frozenset({*range(self.steps, total, self.steps), total})
        assert self.parts is not None
        if self.parts * np.diff([0, *ends]).max() <= 0.5:  # rounding must not skip a step
            return frozenset(range(1, total + 1))
        stages = np.arange(1, int(len(ends) / self.parts) + 1) * self.parts
        steps = np.interp(stages, np.arange(len(ends) + 1), [0, *ends])
        return frozenset({*np.round(steps).astype(int).tolist(), total} - {0})


class ImplSettings(Settings):
    """Settings that may change speed and memory, but never the result."""

    prefetch: int = Field(default=4, ge=1)
    """Steps whose batches are prepared ahead."""
    recompute: bool = False
    """Compute layers again for their gradients: less memory, a third more time."""
    attention: Attention = "automatic"
    """`flash` needs a GPU of compute capability 8 and bf16 or fp16; `automatic` takes it where
    `ernie-paddle check` has found it right."""
    repeatable: bool = False
    """Let a run on a GPU repeat bit by bit: slower, and without FlashAttention. Runs on CPUs always do."""
    logging_steps: int = Field(default=20, ge=1)
    """Steps between two records in the log."""
    save_steps: int = Field(default=500, ge=1)
    """Steps between two checkpoints; each stage ends with one, too."""
    keep_checkpoints: int | None = Field(default=2, ge=1)
    """Newest checkpoints that are kept; older ones are removed, but never the best. `null`: all are kept."""
    step_seconds: float = Field(default=600.0, gt=0)
    """Seconds after which a step on several devices counts as hung and ends the job; 20 times the median step if that
    is longer."""
