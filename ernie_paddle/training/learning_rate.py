"""The learning rate of a step, a pure function of the step's number."""

import math

from ernie_paddle.settings import LearningRateSettings


def learning_rate(settings: LearningRateSettings, step: int, total: int) -> float:
    """Return the learning rate of step `step` (the first is 1) out of `total`.

    With peak p and w warm-up steps:

    - `linear_warmup_decay` (release, `optimization.py`): p * step / w below w, then p * (1 - (step - 1) / total). The
      decay counts from the start of training, not from the end of the warm-up. The release's warm-up lags by one step:
      its first step has rate 0.
    - `linear` (PaddleNLP, `LinearDecayWithWarmup`): with s = step - 1, p * s / w below w, then
      p * (total - s) / (total - w). The decay counts from the end of the warm-up, where the rate is p.
    - `noam_decay` (release): p * min(sqrt(w / step), step / w), with the peak at step w.
    - `constant`: p after a linear warm-up.
    """
    warmup = warmup_steps(settings, total)
    if settings.schedule == "linear":
        done = step - 1
        return settings.peak * (done / warmup if done < warmup else (total - done) / (total - warmup))
    if step < warmup:
        return settings.peak * step / warmup
    if settings.schedule == "linear_warmup_decay":
        return settings.peak * (1 - (step - 1) / total)
    if settings.schedule == "noam_decay":
        return settings.peak * (max(warmup, 1) / step) ** 0.5
    return settings.peak


def warmup_steps(settings: LearningRateSettings, total: int) -> int:
    """Return the number of warm-up steps out of `total`. A share is rounded down, as in the release and PaddleNLP."""
    return settings.warmup_steps or math.floor(settings.warmup_share * total)
