"""The learning rate of a step, a pure function of the plan and the step's number."""

import math

from ernie_paddle.errors import UserError
from ernie_paddle.settings import LearningRateSettings
from ernie_paddle.training.stage_plan import PlannedStep, StagePlan


def learning_rate(settings: LearningRateSettings, plan: StagePlan, step: PlannedStep) -> float:
    """Return the learning rate of a step of a plan: its stage's peak, and the schedule over the run or the stage."""
    peak = settings.peaks(plan.stages)[step.stage]
    if settings.restart == "never":
        return scheduled(settings, peak, step.number, plan.total)
    before = plan.end_of(step.stage - 1) if step.stage else 0
    return scheduled(settings, peak, step.number - before, plan.end_of(step.stage) - before)


def scheduled(settings: LearningRateSettings, peak: float, step: int, total: int) -> float:
    """Return the learning rate of step `step` (the first is 1) out of `total`.

    With peak p, w warm-up steps and d decay steps:

    - `linear_warmup_decay` (release, `optimization.py`): p * step / w below w, then p * (1 - (step - 1) / total). The
      decay counts from the start of training, not from the end of the warm-up. The release's warm-up lags by one step:
      its first step has rate 0.
    - `linear` (PaddleNLP, `LinearDecayWithWarmup`): with s = step - 1, p * s / w below w, then
      p * (total - s) / (total - w). The decay counts from the end of the warm-up, where the rate is p.
    - `noam_decay` (release): p * min(sqrt(w / step), step / w), with the peak at step w.
    - `constant`: p after a linear warm-up.
    - `warmup_stable_decay` (WSD; MiniCPM, arXiv 2404.06395): p after a linear warm-up, and p * (total - step + 1) / d
      in the last d steps. Where warm-up and decay overlap, the lower of the two.
    """
    warmup = warmup_steps(settings, total)
    if settings.schedule == "linear":
        done = step - 1
        return peak * (done / warmup if done < warmup else (total - done) / (total - warmup))
    rising = peak * step / warmup if step < warmup else peak
    if settings.schedule == "warmup_stable_decay":
        left, decay = total - step + 1, decay_steps(settings, total)
        return min(rising, peak * left / decay) if left < decay else rising
    if step < warmup:
        return rising
    if settings.schedule == "linear_warmup_decay":
        return peak * (1 - (step - 1) / total)
    if settings.schedule == "noam_decay":
        return peak * (max(warmup, 1) / step) ** 0.5
    return peak


def warmup_steps(settings: LearningRateSettings, total: int) -> int:
    """Return the number of warm-up steps out of `total`. A share is rounded down, as in the release and PaddleNLP."""
    return settings.warmup_steps or math.floor(settings.warmup_share * total)


def decay_steps(settings: LearningRateSettings, total: int) -> int:
    """Return the number of steps out of `total` in which `warmup_stable_decay` falls. A share is rounded down."""
    return settings.decay_steps or math.floor(settings.decay_share * total)


def check_peaks(settings: LearningRateSettings, plan: StagePlan) -> None:
    """Raise a `UserError` if a list of peaks does not have one for each stage of the plan."""
    if isinstance(settings.peak, list) and len(settings.peak) != plan.stages:
        stages = "1 stage" if plan.stages == 1 else f"{plan.stages} stages"
        raise UserError(
            f"train.learning_rate.peak: {len(settings.peak)} values for a run of {stages}; "
            "give one number, or one for each stage (in fine-tuning, for each epoch)"
        )
