"""Settings that cannot have their effect in a run, said before its first step."""

from ernie_paddle.settings import ImplSettings, LearningRateSettings, TrainSettings
from ernie_paddle.training.learning_rate import learning_rate, warmup_updates
from ernie_paddle.training.plan import StagePlan


def without_effect(train: TrainSettings, impl: ImplSettings, plan: StagePlan) -> list[str]:
    """Return a warning for each setting of a run that its number of updates leaves without effect."""
    return [*_warmups(train.learning_rate, plan), *_intervals(impl, plan.total)]


def _warmups(settings: LearningRateSettings, plan: StagePlan) -> list[str]:
    """Warn of warm-ups that do not end, with the highest rate: the last one, since the rate only rises."""
    spans = {"the run": plan.total}
    if settings.restart == "stage":
        spans = {f"stage {stage + 1}": sum(row) for stage, row in enumerate(plan.matrix)}
    return [
        f"train.learning_rate.warmup_updates {settings.warmup_updates:,} is more than the {updates:,} updates of "
        f"{name}: the rate reaches {learning_rate(settings, updates, updates):.3g} there, not {settings.peak:.3g}"
        for name, updates in spans.items()
        if warmup_updates(settings, updates) > updates
    ]


def _intervals(impl: ImplSettings, total: int) -> list[str]:
    """Warn of intervals longer than the run, if somebody chose them."""
    effects = {
        "log_every": "the log has one record a stage",
        "save_every": "checkpoints are written at ends of stages only",
    }
    return [
        f"impl.{name} {getattr(impl, name):,} is more than the {total:,} updates of the run: {effect}"
        for name, effect in effects.items()
        if name in impl.model_fields_set and getattr(impl, name) > total
    ]
