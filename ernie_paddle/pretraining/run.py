"""A pre-training run, from plan config and shards to checkpoints and a log."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ernie_paddle.arguments import Resume
from ernie_paddle.config import load_settings
from ernie_paddle.data.checking import check_shards
from ernie_paddle.data.order import MixedCorpus, mixture
from ernie_paddle.data.shards import MANIFEST, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import sha256_of
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.checking import bound_objective, check_plan, vocabulary_file
from ernie_paddle.pretraining.plan import auxiliary_tasks_of, configured, stage_plan
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.initial import Initial
from ernie_paddle.training.run import ranks_together, run_folder, run_stages, start
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.stage_plan import PlannedStep
from ernie_paddle.training.steps import TaskData
from ernie_paddle.training.trainer import Trainer


def pretrain(
    plan: PretrainSettings | Path | str,
    out: Path | str,
    *,
    init: Path | str | None = None,
    resume: Resume = "no",
    registry: Registry | None = None,
) -> None:
    """Pre-train an encoder through the stages of a plan, as `ernie-paddle pretrain` does.

    At the end of each stage, every task introduced so far is scored on held-out samples.

    Args:
        plan: a plan config, or its file; `load_settings` applies overrides.
        out: folder of the run, for checkpoints and log.
        init: model whose parameters to start from; not its step and moments.
        resume: whether to resume from the newest complete checkpoint in `out`; with "auto", if there is one.
        registry: what plug-ins added; by default all that are installed.

    Raises:
        UserError: settings, shards, vocabulary or checkpoint do not match.
    """
    settings = plan if isinstance(plan, PretrainSettings) else load_settings(PretrainSettings, plan)
    out = Path(out)
    trainer = build_trainer(settings, registry or load_plugins())

    def score_stage(last: PlannedStep, log: RunLog) -> None:
        scores = {name: trainer.evaluate(name) for name in trainer.plan.introduced(last.stage)}
        log.evaluation(last.number, last.stage, scores)

    ends = {trainer.plan.end_of(stage) for stage in range(trainer.plan.stages)}
    identity = run_identity(settings)
    with run_folder(out, trainer.ranks), ranks_together(out, trainer):
        start(trainer, out, identity, resume, Initial(Path(init)) if init else None)
        run_stages(trainer, out, identity, score_stage, ends)


def build_trainer(settings: PretrainSettings, registry: Registry) -> Trainer:
    """Open the shards, check that they match plan and model, and return a trainer at step 0.

    Raises:
        UserError: settings, shards and vocabulary do not match, or samples are missing or damaged.
    """
    check = check_plan(settings, registry)
    if mistakes := [*filter(None, [check.not_built]), *check.mistakes]:
        raise UserError("\n".join(mistakes))
    config, vocabulary = ErnieConfig.load(settings.model.config), Vocabulary.load(vocabulary_file(settings))
    ranks = Ranks.of_this_process()
    opened = {
        name: open_task(
            settings.data.shards,
            registry.pretraining_tasks.get(name),
            vocabulary,
            ranks,
            partial(settings.mixture, name),
        )
        for name in settings.plan.tasks
    }
    tasks = {name: configured(task, settings.plan.tasks[name]) for name, (task, _) in opened.items()}
    return Trainer(
        config,
        vocabulary,
        tasks,
        {name: data for name, (_, data) in opened.items()},
        stage_plan(settings.plan),
        settings.train,
        settings.impl,
        auxiliary_tasks_of(settings.plan, tasks),
        {name: quota.weight for name, quota in settings.plan.tasks.items()},
        ranks,
    )


def open_task(
    shards: Path,
    task: Task,
    vocabulary: Vocabulary,
    ranks: Ranks | None = None,
    mix: Callable[[Mapping[str, int]], tuple[MixedCorpus, ...]] = mixture,
) -> tuple[Task, TaskData]:
    """Open a task's samples, and return the task bound to their classes.

    Every file is checked against its checksum and every value against its range. `ranks` share this work. `mix`
    returns the mixture of corpora with so many training samples.

    Raises:
        UserError: the samples are missing or damaged, or do not match the vocabulary.
    """
    folder = shards / task.name
    manifest = check_shards(folder, vocabulary, ranks)
    train, validation = SampleTable.open(folder, "train"), SampleTable.open(folder, "validation")
    bound = replace(task, objective=bound_objective(task, manifest, folder))
    corpora = mix(manifest.samples_by_corpus("train"))
    return bound, TaskData(train, validation, manifest.label_columns, corpora)


def run_identity(settings: PretrainSettings) -> dict[str, Any]:
    """Return everything that decides the result, as JSON. A resumed run must have the same identity."""
    data = {name: sha256_of(settings.data.shards / name / MANIFEST) for name in settings.plan.tasks}
    model = ErnieConfig.load(settings.model.config).model_dump(mode="json")
    weights = {f"data.weights.{name}": weight for name, weight in settings.data.weights.items()}
    return {"model": model, "data": data, **weights, **settings.model_dump(mode="json", include={"plan", "train"})}
