"""The learning rate of an update, a pure function of its number."""

import math

from ernie_paddle.settings import LearningRateSettings


def learning_rate(settings: LearningRateSettings, update: int, total: int) -> float:
    """Return the learning rate of update `update` (the first is 1) out of `total`.

    With peak p and w warm-up updates:
    `linear_warmup_decay` (release, `optimization.py`): p * update / w below w, afterwards
    p * (1 - (update - 1) / total): the decay counts from the start of training, not from the end of the warm-up (the
    release's warm-up lags by one update, so that its first one has rate 0);
    `linear` (PaddleNLP, `LinearDecayWithWarmup`): with s = update - 1, p * s / w below w, afterwards
    p * (total - s) / (total - w): the decay counts from the end of the warm-up, where the rate is p;
    `noam_decay` (release): p * min(sqrt(w / update), update / w), its peak at update w;
    `constant`: p after a linear warm-up.
    """
    warmup = warmup_updates(settings, total)
    if settings.schedule == "linear":
        done = update - 1
        return settings.peak * (done / warmup if done < warmup else (total - done) / (total - warmup))
    if update < warmup:
        return settings.peak * update / warmup
    if settings.schedule == "linear_warmup_decay":
        return settings.peak * (1 - (update - 1) / total)
    if settings.schedule == "noam_decay":
        return settings.peak * (max(warmup, 1) / update) ** 0.5
    return settings.peak


def warmup_updates(settings: LearningRateSettings, total: int) -> int:
    """Return the number of warm-up updates out of `total`; a share is rounded down, as release and PaddleNLP do."""
    return settings.warmup_updates or math.floor(settings.warmup_share * total)
