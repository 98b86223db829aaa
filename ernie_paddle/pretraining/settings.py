"""The plan config: the YAML file of a pre-training run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from ernie_paddle.config import Settings
from ernie_paddle.data.order import MixedCorpus, mixture
from ernie_paddle.pretraining.plan import PlanSettings
from ernie_paddle.settings import EvaluationInterval, ImplSettings, TrainSettings
from ernie_paddle.training.evaluation import ScoreName
from ernie_paddle.training.stage_plan import StagePlan

Weight = Annotated[float, Field(ge=0, le=1_000_000)]


class ModelSection(Settings):
    """The `model` section."""

    config: Path
    """JSON file with the encoder's sizes, see the model config."""


class DataSection(Settings):
    """The `data` section."""

    shards: Path
    """Folder that `ernie-paddle build` wrote."""
    vocab: Path | None = None
    """Vocabulary; `null`: the `vocab.txt` of the shards."""
    weights: dict[str, Weight] = Field(default_factory=dict)
    """Weights of corpora by their names in the corpora config: how often their samples are drawn, 1 by default. With
    2, each sample is drawn twice as often as one of a corpus with 1; with 0, none is."""


class StageInterval(EvaluationInterval):
    """How often pre-training scores held-out samples, besides the ends of stages: every `steps` or `stages`."""

    unit: ClassVar[str] = "stages"

    stages: float | None = Field(default=None, gt=0, lt=1)
    """Share of a stage between two evaluations; 0.25: four in a stage."""


class BestSettings(Settings):
    """Which checkpoint is the best one, and when training stops.

    Of the mean over all tasks, evaluations before the last task is introduced do not count.
    """

    metric: ScoreName = "loss"
    """Held-out score that is compared; the lowest loss or the highest accuracy is the best."""
    task: str | None = None
    """Task whose score it is; `null`: the mean over all tasks, once all are introduced."""
    target: float | None = Field(default=None, ge=0)
    """The run stops when the score reaches this value; an accuracy is a share."""
    patience: int | None = Field(default=None, ge=1)
    """The run stops after so many evaluations without a better score."""

    @model_validator(mode="after")
    def _share(self) -> "BestSettings":
        if self.metric == "accuracy" and (self.target or 0) > 1:
            raise ValueError(f"target {self.target:g}: an accuracy is a share, at most 1")
        return self

    @property
    def what(self) -> str:
        """The score that is compared, in words."""
        return f"held-out {self.metric} of {self.task}" if self.task else f"mean held-out {self.metric} of all tasks"


class TrainSection(TrainSettings):
    """The `train` section: training, and its evaluation on held-out samples."""

    evaluate_every: StageInterval | None = None
    """When held-out samples are scored, besides the end of each stage."""
    best: BestSettings | None = None
    """The score by which the best checkpoint is kept, and may stop the run; `null`: none is kept."""

    def evaluation_points(self, plan: StagePlan) -> frozenset[int]:
        """Return the steps after which a run is scored: as `evaluate_every` says, and at the end of each stage."""
        between = self.evaluate_every.points(plan.ends) if self.evaluate_every else frozenset()
        return between | frozenset(plan.ends)

    def without_effect(self, plan: StagePlan) -> Iterator[str]:
        """Yield a warning for each setting without effect on the evaluations of a run.

        Those of a run that it continues are over. The first evaluation that counts for the best step cannot stop the
        run, and neither can the one at its end.
        """
        points = [step for step in self.evaluation_points(plan) if step > plan.total - plan.own.total]
        if self.evaluate_every and {*points} <= {*plan.ends}:
            for reason in self.evaluate_every.too_long(plan.own.ends):
                yield f"train.{reason}: held-out samples are scored at the end of each stage"
        if self.best is None or self.best.patience is None:
            return
        needed = {*plan.tasks} if self.best.task is None else {self.best.task}
        first = next(stage for stage in range(plan.stages) if needed <= {*plan.introduced(stage)})
        count = sum(step > plan.end_of(first - 1) for step in points)
        if self.best.patience > count - 2:
            yield (
                f"train.best.patience {self.best.patience:,} stops no run; evaluations of the {self.best.what}: "
                f"{count:,}, the first of which is the best so far, and the last at the end"
            )


class PretrainSettings(Settings):
    """A plan config. All sections but `impl` decide the result."""

    model: ModelSection
    """The encoder."""
    data: DataSection
    """The samples."""
    plan: PlanSettings
    """Tasks and stages."""
    train: TrainSection
    """Training; with `model`, `data` and `plan`, all that decides the result."""
    impl: ImplSettings = ImplSettings()
    """What may change speed and memory, never the result."""

    @model_validator(mode="after")
    def _best_of_a_task(self) -> "PretrainSettings":
        task = self.train.best.task if self.train.best else None
        if task is not None and task not in self.plan.tasks:
            raise ValueError(f"train.best.task '{task}' is not among the plan's tasks: {', '.join(self.plan.tasks)}")
        return self

    def mixture(self, task: str, samples: Mapping[str, int]) -> tuple[MixedCorpus, ...]:
        """Return the mixture of a task's corpora, which have so many samples."""
        return mixture(samples, self.data.weights, self.plan.tasks[task].temperature)
