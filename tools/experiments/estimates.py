"""How long the jobs of an experiment will take: as long as those that have finished, or as a short measurement says."""

from collections.abc import Sequence
from functools import cache
from statistics import fmean

from experiment import Experiment, PretrainRun
from job_queue import Job
from run_results import FINETUNE, PRETRAIN

from ernie_paddle.config import load_settings
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import Registry

BENCH_STEPS = 5


class Estimates:
    """Estimates of the time of jobs. Measurements run once for each language, and need its samples."""

    def __init__(self, experiment: Experiment, registry: Registry):
        self._experiment, self._registry = experiment, registry
        self._measured = cache(self._measure)

    def of_phase(self, jobs: Sequence[Job]) -> float | None:
        """Return the seconds that the unfinished jobs of a phase will take; None if that is not known yet.

        Fine-tuning that was never run is taken for pre-training on its training rows at their greatest length.
        """
        finished: dict[tuple[str, ...], list[float]] = {}
        for job in jobs:
            if job.seconds is not None:
                finished.setdefault(_kind(job), []).append(job.seconds / job.size)
        seconds = [
            job.size * fmean(finished[_kind(job)]) if _kind(job) in finished else self._of_unknown(job)
            for job in jobs
            if job.seconds is None
        ]
        known = [second for second in seconds if second is not None]
        return sum(known) / self._experiment.settings.workers if len(known) == len(seconds) else None

    def _of_unknown(self, job: Job) -> float | None:
        measured = self._measured(job.name.split("/")[1]) if job.phase in (PRETRAIN, FINETUNE) else None
        if measured is None or job.phase == PRETRAIN:
            return job.size * measured[0] if measured else None
        recipe = next(own for path, own in self._experiment.recipes.items() if path.stem == _kind(job)[1])
        rows = recipe.data.get("train_rows")
        tokens = rows and rows * recipe.epochs * recipe.signature.max_length
        return tokens and len(self._experiment.settings.finetuning_seeds) * tokens / measured[1]

    def _measure(self, language: str) -> tuple[float, float] | None:
        """Return the seconds of a step of a run with all tasks, and tokens per second; None without samples."""
        plan = self._experiment.plans[language]
        if not all(plan.data.of_task(task) for task in plan.plan.tasks):
            return None
        from ernie_paddle.pretraining.run import build_trainer
        from ernie_paddle.training.benchmark import measure

        runs = (run for run in self._experiment.pretrain_runs() if run.language == language)
        longest: PretrainRun = max(runs, key=lambda run: len(run.variant.tasks))
        path = self._experiment.settings.languages[language].plan
        settings = load_settings(PretrainSettings, path, self._experiment.overrides(longest))
        speeds = measure(build_trainer(settings, self._registry), BENCH_STEPS, report=lambda line: None)
        tokens, seconds = sum(speed.tokens for speed in speeds), sum(sum(speed.seconds) for speed in speeds)
        steps = sum(speed.planned for speed in speeds)
        return sum(speed.median * speed.planned for speed in speeds) / steps, tokens / seconds


def _kind(job: Job) -> tuple[str, ...]:
    """Return what jobs have in common that take equally long: the language, in fine-tuning also the recipe."""
    phase, language, *rest = job.name.split("/")
    return (language, rest[-1].partition(",")[0]) if phase == FINETUNE else (language,)
