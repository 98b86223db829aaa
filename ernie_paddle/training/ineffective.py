"""Warnings about settings that have no effect in a run, given before its first step."""

from collections.abc import Iterator

from ernie_paddle.settings import ImplSettings, LearningRateSettings, TrainSettings
from ernie_paddle.training.learning_rate import decay_steps, learning_rate, warmup_steps
from ernie_paddle.training.stage_plan import PlannedStep, StagePlan


def without_effect(train: TrainSettings, impl: ImplSettings, plan: StagePlan, world: int) -> list[str]:
    """Return a warning for each setting that has no effect because the run has too few steps or processes."""
    alone = world == 1 and train.gradient_sums != "fp32"
    sums = [f"train.gradient_sums {train.gradient_sums} has no effect: there is only one process"] if alone else []
    return [*_warmups(train.learning_rate, plan), *_intervals(impl, plan), *sums]


def _warmups(settings: LearningRateSettings, plan: StagePlan) -> Iterator[str]:
    """Yield warnings about warm-ups that do not end, or not before the decay begins."""
    by_stage = {f"stage {stage + 1}": range(stage, stage + 1) for stage in range(plan.earlier, plan.stages)}
    parts = by_stage if settings.restart == "stage" else {"the run": range(plan.stages)}
    peaks = settings.peaks(plan.stages)
    for name, stages in parts.items():
        steps = sum(sum(plan.matrix[stage]) for stage in stages)
        warmup, decay = warmup_steps(settings, steps), decay_steps(settings, steps)
        if decay and warmup + decay > steps:
            yield (
                f"train.learning_rate: {warmup:,} warm-up steps and {decay:,} decay steps are more than the {steps:,} "
                f"steps of {name}: the learning rate does not stay at its peak"
            )
        elif warmup > steps:
            ends = [PlannedStep(plan.end_of(stage), stage, "") for stage in stages]  # within a stage the rate rises
            reached, peak = max(learning_rate(settings, plan, end) for end in ends), max(peaks[i] for i in stages)
            yield (
                f"train.learning_rate.warmup_steps {warmup:,} is more than the {steps:,} steps of "
                f"{name}: the learning rate reaches {reached:.3g}, not {peak:.3g}"
            )


def _intervals(impl: ImplSettings, plan: StagePlan) -> list[str]:
    """Return warnings about intervals that were set explicitly, and of which none ends in the run."""
    steps = plan.own.total
    effects = {
        "logging_steps": "the log has one record per stage",
        "save_steps": "checkpoints are written only at the end of each stage",
    }
    return [
        f"impl.{name} {getattr(impl, name):,} is more than the {steps:,} steps of the run: {effect}"
        for name, effect in effects.items()
        if name in impl.model_fields_set and plan.begin // getattr(impl, name) == plan.total // getattr(impl, name)
    ]
