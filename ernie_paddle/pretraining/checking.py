"""Checks that plan, model, vocabulary and samples fit together, before a run. Imports no Paddle.

The values of samples are not read here; `ernie_paddle.data.checking` does that when a run opens them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import ParamSpec, TypeVar

from ernie_paddle.data.checking import check_vocabulary
from ernie_paddle.data.shards import SPLITS, Manifest, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.history import History
from ernie_paddle.pretraining.plan import auxiliary_tasks_of, configured, stage_plan
from ernie_paddle.pretraining.settings import DataSection, PretrainSettings, corpora_of
from ernie_paddle.registry import Registry
from ernie_paddle.settings import TrainSettings
from ernie_paddle.task import Objective, Task
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary
from ernie_paddle.training.learning_rate import check_peaks
from ernie_paddle.training.stage_plan import check_heads_first
from ernie_paddle.training.steps import check_batch_tokens

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PlanCheck:
    """The mistakes of a plan config, one line each.

    `not_built` names the files of `data.shards` that `build` has yet to write, empty if all are there.
    """

    mistakes: list[str]
    not_built: str


def check_plan(settings: PretrainSettings, registry: Registry, history: History | None = None) -> PlanCheck:
    """Find every mistake of a plan config for which `pretrain` would refuse it, apart from damaged samples.

    `history` is that of the run that the plan continues.
    """
    mistakes: list[str] = []

    def tried(
        function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result | None:
        """Return the function's result, or None and a new mistake."""
        try:
            return function(*args, **kwargs)
        except UserError as error:
            mistakes.append(str(error))
            return None

    plan, data, where = settings.plan, settings.data, settings.model.config
    tasks = {name: task for name in plan.tasks if (task := tried(registry.pretraining_tasks.get, name, "plan.tasks"))}
    for name, task in tasks.items():
        tried(configured, task, plan.tasks[name])
    if len(tasks) == len(plan.tasks):
        tried(auxiliary_tasks_of, plan, tasks)
    if stages := tried(stage_plan, plan, history.stages if history else None):
        tried(check_peaks, settings.train.learning_rate, stages)
        tried(check_heads_first, settings.train.heads_first, stages)
    config = tried(ErnieConfig.load, where)
    idle = {*stages.tasks} - {*stages.own.introduced(stages.stages)} if stages else set[str]()
    absent = [name for name in tasks if not data.of_task(name) and name not in idle]
    if not data.vocab and not data.vocabulary_file.exists():
        absent.insert(0, VOCABULARY_FILE)
    vocabulary = None if VOCABULARY_FILE in absent else tried(Vocabulary.load, data.vocabulary_file)
    if config:
        for name, task in tasks.items():
            tried(config.check_task_id, task.task_id, f"{where}: task '{name}'")
    if config and vocabulary and vocabulary.size > config.vocab_size:
        mistakes.append(
            f"{where}: vocab_size {config.vocab_size} is less than the {vocabulary.size} "
            "entries of the vocabulary; raise it, or use another vocabulary"
        )
    for name, task in tasks.items():
        for folder in data.of_task(name).values():
            mistakes += _sample_mistakes(folder, task, config, vocabulary, settings.train, history)
    if history:
        mistakes += history.changes(config, vocabulary)
    if not mistakes:
        manifests = {name: found for name in tasks if (found := data.manifests(name))}
        mistakes += chain.from_iterable(_unlike(data.of_task(name), found) for name, found in manifests.items())
        mistakes += _mixing_mistakes(settings, manifests)
        if not absent:
            auxiliary_tasks = [tasks[name] for name in auxiliary_tasks_of(plan, tasks) if name in manifests]
            mistakes += _auxiliary_mistakes(data, auxiliary_tasks, manifests)
    not_built = f"{data.names}: {', '.join(absent)} not found; build the samples of the plan's tasks" if absent else ""
    return PlanCheck(mistakes, not_built)


def _sample_mistakes(
    folder: Path,
    task: Task,
    config: ErnieConfig | None,
    vocabulary: Vocabulary | None,
    train: TrainSettings,
    history: History | None,
) -> Iterator[str]:
    """Yield the mistakes of a task's samples that their manifest and their lengths tell."""
    try:
        manifest = Manifest.load(folder)
        if vocabulary:
            check_vocabulary(folder, manifest, vocabulary)
        tables = {split: SampleTable.open(folder, split) for split in SPLITS}
    except UserError as error:
        yield str(error)
        return
    if config and manifest.max_length > config.max_position_embeddings:
        yield (
            f"{folder}: samples have up to {manifest.max_length} tokens, but the model's max_position_embeddings is "
            f"{config.max_position_embeddings}; build shorter samples, or use another model"
        )
    segments = max(table.most_segments for table in tables.values())
    if config and segments > config.sent_type_vocab_size:
        yield (
            f"{folder}: samples have up to {segments} segments, but the model's sent_type_vocab_size is "
            f"{config.sent_type_vocab_size}; leave out the task, or use another model"
        )
    yield from (
        f"{folder}: no {split} samples; build from more documents" for split in SPLITS if not len(tables[split])
    )
    try:
        check_batch_tokens(task.name, tables["train"], train)
    except UserError as error:
        yield str(error)
    try:
        objective = bound_objective(task, manifest, folder)
    except UserError as error:
        yield str(error)
    else:
        yield from history.changed_classes(task.name, objective.labels) if history else ()


def _unlike(folders: Mapping[str, Path], manifests: Mapping[str, Manifest]) -> Iterator[str]:
    """Yield the folders of a task whose samples have other columns than those of its first folder."""
    (_, first), *others = folders.items()
    columns = {name: [column.declaration for column in manifest.columns] for name, manifest in manifests.items()}
    for name, folder in others:
        if columns[name] != next(iter(columns.values())):
            yield (
                f"{folder}: its samples have other columns or classes than those in {first}; build both with the same "
                "options"
            )


def _mixing_mistakes(settings: PretrainSettings, manifests: Mapping[str, Mapping[str, Manifest]]) -> Iterator[str]:
    """Yield the weights of corpora that no task has, and the tasks whose corpora all have a weight of 0.

    `manifests` are those of the tasks with samples. Only if these are all are the names of the corpora known.
    """
    weights = settings.data.weights
    by_task = {task: {corpus.name: corpus.samples for corpus in corpora_of(of)} for task, of in manifests.items()}
    known = dict.fromkeys(chain.from_iterable(by_task.values()))
    for name in weights:
        if name not in known and len(manifests) == len(settings.plan.tasks):
            yield f"data.weights: '{name}' is not among the corpora of the plan's samples: {', '.join(known)}"
    for task, samples in by_task.items():
        if not any(count * weights.get(name, 1.0) for name, count in samples.items()):
            yield (
                f"data.weights: 0 for all corpora of the task '{task}': {', '.join(samples)}; raise one, or remove "
                "the task from the plan"
            )


def _auxiliary_mistakes(
    data: DataSection, auxiliary_tasks: Sequence[Task], manifests: Mapping[str, Mapping[str, Manifest]]
) -> Iterator[str]:
    """Yield the folders whose samples have other classes in an auxiliary task's column than its own samples."""
    found = [(data.folders[name] / task, one) for task, of in manifests.items() for name, one in of.items()]
    for task in auxiliary_tasks:
        column = task.objective.column.name
        own = next(iter(manifests[task.name].values())).column(column)
        for folder, manifest in found:
            other = manifest.column(column)
            if own and other and other.has_labels and other.labels != own.labels:
                yield (
                    f"{folder}: column '{column}' has other classes than the samples of '{task.name}', which is "
                    "an auxiliary task; build both again"
                )


def bound_objective(task: Task, manifest: Manifest, folder: Path) -> Objective:
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
    if objective.predicts_tokens or classes is None:
        return objective
    if too_large := [label for label in column.counts if int(label) >= classes]:
        raise UserError(f"{folder}: found label {too_large[0]}, but the task '{task.name}' has {classes} classes")
    return objective
