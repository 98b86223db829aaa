"""The evaluations of a pre-training run: which step is the best one, and when the run stops."""

from collections.abc import Iterable, Mapping
from statistics import fmean

from ernie_paddle.pretraining.settings import BestSettings, TrainSection
from ernie_paddle.training.evaluation import Best, Score, best_after, is_better, task_of
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.stage_plan import PlannedStep
from ernie_paddle.training.trainer import Trainer


def evaluate_tasks(trainer: Trainer, train: TrainSection, last: PlannedStep, log: RunLog) -> None:
    """Score every task introduced so far and log the scores. Note in the trainer's progress what follows from them."""
    progress, settings = trainer.progress, train.best
    scores = trainer.evaluate_all(trainer.plan.introduced(last.stage))
    if settings and (value := compared(settings, scores, trainer.data)) is not None:
        progress.best = best_after(settings.metric, progress.best, last.number, value)
    log.evaluation(last.number, last.stage, scores)
    if settings and progress.best and trainer.plan.begin < last.number < trainer.plan.total:
        progress.stopped = reason_to_stop(settings, progress.best)
    if progress.stopped:
        log.stop(last.number, last.stage, progress.stopped)


def compared(settings: BestSettings, scores: Mapping[str, Score], tasks: Iterable[str]) -> float | None:
    """Return the value that decides which step is the best. It is None until every task it needs has a score.

    `tasks` are all that have samples.
    """
    names = [name for name in scores if settings.task in (None, name, task_of(name))]
    needed = {*tasks} if settings.task is None else {task_of(settings.task)}
    if not needed <= {task_of(name) for name in names}:
        return None
    return fmean(scores[name].loss if settings.metric == "loss" else scores[name].accuracy for name in names)


def reason_to_stop(settings: BestSettings, best: Best) -> str:
    """Return the setting that stops a run, and why, or an empty text."""
    target, patience = settings.target, settings.patience
    if target is not None and not is_better(settings.metric, target, best.value):
        return f"train.best.target: the {settings.what} is {best.value:.4f}, the target {target:.4f}"
    if patience is not None and best.evaluations_since >= patience:
        return (
            f"train.best.patience: the {settings.what} was best after step {best.step:,}, {best.value:.4f}, "
            f"and not in the {best.evaluations_since:,} evaluations since"
        )
    return ""
