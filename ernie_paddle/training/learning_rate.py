"""The learning rate of an update, a pure function of its number."""

from ernie_paddle.settings import LearningRateSettings


def learning_rate(settings: LearningRateSettings, update: int, total: int) -> float:
    """Learning rate of update `update` (the first is 1) out of `total`.

    With peak p and w warm-up updates (release, `optimization.py`):
    `linear_warmup_decay`: p * update / w below w, afterwards p * (1 - (update - 1) / total): the decay counts
    from the start of training, not from the end of the warm-up (the release's warm-up lags by one update, so
    that its first one has rate 0);
    `noam_decay`: p * min(sqrt(w / update), update / w), its peak at update w;
    `constant`: p after a linear warm-up.
    """
    warmup = settings.warmup_updates or round(settings.warmup_share * total)
    if update < warmup:
        return settings.peak * update / warmup
    if settings.schedule == "linear_warmup_decay":
        return settings.peak * (1 - (update - 1) / total)
    if settings.schedule == "noam_decay":
        return settings.peak * (max(warmup, 1) / update) ** 0.5
    return settings.peak
