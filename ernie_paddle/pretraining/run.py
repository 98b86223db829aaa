"""A pre-training run, from plan config and shards to checkpoints and a log."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ernie_paddle.arguments import Resume
from ernie_paddle.config import check_settings
from ernie_paddle.data.checking import check_shards
from ernie_paddle.data.shards import MANIFEST, Manifest, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import sha256_of
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.plan import PlanSettings, TaskQuota, stage_plan
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import Registry
from ernie_paddle.task import Objective, Task
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary
from ernie_paddle.training.initial import Initial
from ernie_paddle.training.run import run_folder, run_stages, start
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.stage_plan import PlannedStep
from ernie_paddle.training.steps import TaskData
from ernie_paddle.training.trainer import Trainer


def pretrain(settings: PretrainSettings, out: Path, registry: Registry, resume: Resume, init: Path | None) -> None:
    """Train through all stages of the plan, resuming from the newest complete checkpoint as `resume` says.

    At the end of each stage, every task introduced so far is scored on held-out samples.

    Raises:
        UserError: settings, shards, vocabulary or checkpoint do not match.
    """
    trainer = build_trainer(settings, registry)

    def score_stage(last: PlannedStep, log: RunLog) -> None:
        scores = {name: trainer.evaluate(name) for name in trainer.plan.introduced(last.stage)}
        log.evaluation(last.number, last.stage, scores)

    ends = {trainer.plan.end_of(stage) for stage in range(trainer.plan.stages)}
    identity = run_identity(settings)
    with run_folder(out, trainer.ranks):
        start(trainer, out, identity, resume, Initial(init) if init else None)
        run_stages(trainer, out, identity, score_stage, ends)


def build_trainer(settings: PretrainSettings, registry: Registry) -> Trainer:
    """Open the shards, check that they match plan and model, and return a trainer at step 0."""
    registered = {name: registry.pretraining_tasks.get(name, "plan.tasks") for name in settings.plan.tasks}
    config = ErnieConfig.load(settings.model.config)
    vocabulary = Vocabulary.load(settings.data.vocab or settings.data.shards / VOCABULARY_FILE)
    if vocabulary.size > config.vocab_size:
        raise UserError(
            f"{settings.model.config}: vocab_size {config.vocab_size} is less than the {vocabulary.size} "
            "entries of the vocabulary; raise it, or use another vocabulary"
        )
    for name, task in registered.items():
        config.check_task_id(task.task_id, f"{settings.model.config}: task '{name}'")
    ranks = Ranks.of_this_process()
    opened = {
        name: open_task(settings.data.shards, task, config, vocabulary, ranks) for name, task in registered.items()
    }
    tasks = {name: _configured(task, settings.plan.tasks[name]) for name, (task, _) in opened.items()}
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


def _configured(task: Task, quota: TaskQuota) -> Task:
    options = check_settings(task.objective.Options, quota.options, f"plan.tasks.{task.name}.options")
    return replace(task, objective=task.objective.configured(options))


def auxiliary_tasks_of(plan: PlanSettings, tasks: dict[str, Task]) -> list[str]:
    """Return the names of the tasks whose losses may be added to other tasks' steps."""
    token_level = [name for name, task in tasks.items() if task.objective.level == "token"]
    if plan.auxiliary_tasks is None:
        return token_level
    for name in plan.auxiliary_tasks:
        if name not in token_level:
            raise UserError(f"plan.auxiliary_tasks: '{name}' is not a token-level task; only those can be auxiliary")
    return plan.auxiliary_tasks


def open_task(
    shards: Path, task: Task, config: ErnieConfig, vocabulary: Vocabulary, ranks: Ranks | None = None
) -> tuple[Task, TaskData]:
    """Open a task's samples, and return the task bound to their classes.

    Every file is checked against its checksum and every value against its range. `ranks` share this work.

    Raises:
        UserError: the samples are missing or damaged, or do not match the task, the model or the vocabulary.
    """
    folder = shards / task.name
    if not folder.is_dir():
        raise UserError(f"{folder}: not found; the plan has the task '{task.name}', build its samples")
    manifest = Manifest.load(folder)
    objective = _bound(task, manifest, folder)
    check_shards(folder, vocabulary, ranks)
    if manifest.max_length > config.max_position_embeddings:
        raise UserError(
            f"{folder}: samples have up to {manifest.max_length} tokens, but the model's max_position_embeddings is "
            f"{config.max_position_embeddings}; build shorter samples, or use another model"
        )
    for split in manifest.splits:
        if not manifest.count(split):
            raise UserError(f"{folder}: no {split} samples; build from more documents")
    train, validation = SampleTable.open(folder, "train"), SampleTable.open(folder, "validation")
    return replace(task, objective=objective), TaskData(train, validation, manifest.label_columns)


def _bound(task: Task, manifest: Manifest, folder: Path) -> Objective:
    """Return a task's objective with the classes that its column of the samples has.

    Raises:
        UserError: the samples have no such column, or other classes.
    """
    expected = task.objective.column
    column = manifest.column(expected.name)
    if column is None or column.level != expected.level:
        known = ", ".join(f"{column.name} ({column.level} level)" for column in manifest.columns) or "none"
        raise UserError(
            f"{folder}: the task '{task.name}' needs the {expected.level}-level column '{expected.name}'; the samples "
            f"have: {known}; build them again"
        )
    try:
        objective = task.objective.with_labels(column.labels)
    except UserError as error:
        raise UserError(f"{folder}: column '{column.name}': {error}") from None
    classes = objective.classes(manifest.vocabulary_size)
    if not objective.predicts_tokens and (too_large := [label for label in column.counts if int(label) >= classes]):
        raise UserError(f"{folder}: found label {too_large[0]}, but the task '{task.name}' has {classes} classes")
    return objective


def run_identity(settings: PretrainSettings) -> dict[str, Any]:
    """Return everything that decides the result, as JSON. A resumed run must have the same identity."""
    data = {name: sha256_of(settings.data.shards / name / MANIFEST) for name in settings.plan.tasks}
    model = ErnieConfig.load(settings.model.config).model_dump(mode="json")
    return {"model": model, "data": data, **settings.model_dump(mode="json", include={"plan", "train"})}
