"""The plan config: the YAML file of a pre-training run."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from ernie_paddle.config import FileName, Settings
from ernie_paddle.data.order import MixedCorpus, mixture
from ernie_paddle.data.shards import SPLITS, CorpusInfo, Manifest
from ernie_paddle.pretraining.plan import PlanSettings
from ernie_paddle.settings import EvaluationInterval, ImplSettings, TrainSettings
from ernie_paddle.text.vocabulary import VOCABULARY_FILE
from ernie_paddle.training.evaluation import ScoreName, task_of
from ernie_paddle.training.stage_plan import StagePlan

Share = Annotated[float, Field(gt=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]


class ModelSection(Settings):
    """The `model` section."""

    config: Path
    """JSON file with the encoder's sizes, see the model config."""


class DataSection(Settings):
    """The `data` section."""

    shards: Path | Annotated[dict[FileName, Path], Field(min_length=1)]
    """Folder that `ernie-paddle build` wrote, or several of them by names. A task then has the samples of all, and is
    scored on the held-out samples of each."""
    shares: dict[str, Share] = Field(default_factory=dict)
    """Share of each of several folders in the samples that are drawn; by default, as many as it has."""
    vocab: Path | None = None
    """Vocabulary; `null`: the `vocab.txt` of the shards."""
    weights: dict[str, Weight] = Field(default_factory=dict)
    """Weights of corpora by their names in the corpora config, with several folders as `folder/name`: how often their
    samples are drawn, 1 by default. With 2, each sample is drawn twice as often as one of a corpus with 1; with 0, none
    is."""

    @model_validator(mode="after")
    def _shares_of_folders(self) -> "DataSection":
        if self.shares and self.shares.keys() != self.folders.keys():
            raise ValueError(f"shares: {', '.join(self.shares)}, expected one for each folder: {self.names}")
        return self

    @property
    def folders(self) -> dict[str, Path]:
        """The folders of samples by name; a single one has the empty name."""
        return {"": self.shards} if isinstance(self.shards, Path) else self.shards

    @property
    def names(self) -> str:
        """The folders, as messages name them."""
        return ", ".join(map(str, self.folders.values()))

    @property
    def vocabulary_file(self) -> Path:
        """The path of the vocabulary."""
        return self.vocab or next(iter(self.folders.values())) / VOCABULARY_FILE

    def of_task(self, task: str) -> dict[str, Path]:
        """Return the folders of a task's samples, by the name of the folder that they are in."""
        return {name: folder / task for name, folder in self.folders.items() if (folder / task).exists()}

    def manifests(self, task: str) -> dict[str, Manifest]:
        """Return the manifests of a task's samples, by the name of their folder.

        Raises:
            UserError: one is damaged.
        """
        return {name: Manifest.load(folder) for name, folder in self.of_task(task).items()}


def corpora_of(manifests: Mapping[str, Manifest]) -> list[CorpusInfo]:
    """Return the corpora of a task's training samples, in their order; with several folders, they are `folder/name`."""
    return [
        replace(corpus, name=f"{folder}/{corpus.name}" if folder else corpus.name)
        for folder, manifest in manifests.items()
        for corpus in manifest.corpora[SPLITS[0]]
    ]


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
    """Task whose score it is, or `task/folder` for its held-out samples in one of several folders; `null`: the mean
    over all, once all tasks are introduced."""
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
    evaluate_first: bool = False
    """Score held-out samples before the first step, too: of a model that was trained before."""
    best: BestSettings | None = None
    """The score by which the best checkpoint is kept, and may stop the run; `null`: none is kept."""

    def evaluation_points(self, plan: StagePlan) -> frozenset[int]:
        """Return the steps after which a run is scored: as `evaluate_every` says, and at the end of each of its stages.

        With `evaluate_first`, these include the steps that were run before, none in a run that continues no other.
        """
        between = self.evaluate_every.points(plan.ends) if self.evaluate_every else frozenset()
        own = frozenset(step for step in between.union(plan.ends) if step > plan.begin)
        return own | {plan.begin} if self.evaluate_first else own

    def without_effect(self, plan: StagePlan) -> Iterator[str]:
        """Yield a warning for each setting without effect on the evaluations of a run.

        The first evaluation that counts for the best step cannot stop the run, and neither can the one at its end.
        """
        points = self.evaluation_points(plan)
        if self.evaluate_every and points <= {plan.begin, *plan.ends}:
            for reason in self.evaluate_every.too_long(plan.own.ends):
                yield f"train.{reason}: held-out samples are scored at the end of each stage"
        if self.best is None or self.best.patience is None:
            return
        needed = {*plan.tasks} if self.best.task is None else {task_of(self.best.task)}
        first = next(stage for stage in range(plan.stages) if needed <= {*plan.introduced(stage)})
        count = len(points) if first <= plan.earlier else sum(step > plan.end_of(first - 1) for step in points)
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
        if task is None:
            return self
        name, _, folder = task.partition("/")
        if name not in self.plan.tasks:
            raise ValueError(f"train.best.task '{name}' is not among the plan's tasks: {', '.join(self.plan.tasks)}")
        if folder not in ("", *self.data.folders):
            raise ValueError(f"train.best.task '{task}': '{folder}' is not in data.shards: {self.data.names}")
        return self

    def mixture(self, task: str, samples: Mapping[str, int]) -> tuple[MixedCorpus, ...]:
        """Return the mixture of a task's corpora, which have so many samples."""
        return mixture(samples, self.data.weights, self.plan.tasks[task].temperature, self.data.shares)
