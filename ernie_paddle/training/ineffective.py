"""Warnings about settings that have no effect in a run, given before its first step."""

from ernie_paddle.settings import ImplSettings, LearningRateSettings, TrainSettings
from ernie_paddle.training.learning_rate import learning_rate, warmup_steps
from ernie_paddle.training.stage_plan import StagePlan


def without_effect(train: TrainSettings, impl: ImplSettings, plan: StagePlan, world: int) -> list[str]:
    """Return a warning for each setting that has no effect because the run has too few steps or processes."""
    alone = world == 1 and train.gradient_sums != "fp32"
    sums = [f"train.gradient_sums {train.gradient_sums} has no effect: there is only one process"] if alone else []
    return [*_warmups(train.learning_rate, plan), *_intervals(impl, plan.total), *sums]


def _warmups(settings: LearningRateSettings, plan: StagePlan) -> list[str]:
    """Return warnings about warm-ups that do not end. They name the highest rate, which is that of the last step."""
    lengths = {"the run": plan.total}
    if settings.restart == "stage":
        lengths = {f"stage {stage + 1}": sum(row) for stage, row in enumerate(plan.matrix)}
    return [
        f"train.learning_rate.warmup_steps {settings.warmup_steps:,} is more than the {steps:,} steps of "
        f"{name}: the learning rate reaches {learning_rate(settings, steps, steps):.3g}, not {settings.peak:.3g}"
        for name, steps in lengths.items()
        if warmup_steps(settings, steps) > steps
    ]


def _intervals(impl: ImplSettings, total: int) -> list[str]:
    """Return warnings about intervals that were set explicitly and are longer than the run."""
    effects = {
        "logging_steps": "the log has one record per stage",
        "save_steps": "checkpoints are written only at the end of each stage",
    }
    return [
        f"impl.{name} {getattr(impl, name):,} is more than the {total:,} steps of the run: {effect}"
        for name, effect in effects.items()
        if name in impl.model_fields_set and getattr(impl, name) > total
    ]
