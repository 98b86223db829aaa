"""A pre-training run, from plan config and shards to checkpoints and a log."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from ernie_paddle.arguments import Resume
from ernie_paddle.config import load_settings
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.data.checking import check_shards
from ernie_paddle.data.order import MixedCorpus, mixture
from ernie_paddle.data.shards import MANIFEST, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import sha256_of
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.model.saved import check_apart
from ernie_paddle.pretraining.checking import bound_objective, check_plan
from ernie_paddle.pretraining.evaluating import evaluate_tasks
from ernie_paddle.pretraining.history import SHARES, WEIGHTS, History, RunOrigin, find_history, still_there
from ernie_paddle.pretraining.plan import auxiliary_tasks_of, configured, stage_plan
from ernie_paddle.pretraining.settings import DataSection, PretrainSettings, corpora_of
from ernie_paddle.programs.network import SHARED_HEADS
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.checkpoint import TrainerState, load_variables
from ernie_paddle.training.initial import Initial, compare, initialise
from ernie_paddle.training.log_file import LOG_FILE, copy_log
from ernie_paddle.training.run import checkpoint_to_resume, ranks_together, run_folder, run_stages, start
from ernie_paddle.training.steps import TaskData
from ernie_paddle.training.trainer import Progress, Trainer


def pretrain(
    plan: PretrainSettings | Path | str,
    out: Path | str,
    *,
    init: Path | str | None = None,
    continue_from: Path | str | None = None,
    resume: Resume = "no",
    registry: Registry | None = None,
) -> None:
    """Pre-train an encoder through the stages of a plan, as `ernie-paddle pretrain` does.

    At the end of each stage, and as `train.evaluate_every` says, every task introduced so far is scored on held-out
    samples.

    Args:
        plan: a plan config, or its file; `load_settings` applies overrides.
        out: folder of the run, for checkpoints and log.
        init: model whose parameters to start from; not its step and moments.
        continue_from: run to continue in `out`, from its newest complete checkpoint, or one of its checkpoints, which
            its file `best` may name. The plan lists its tasks first, then new ones. Its stages stand as they were run;
            the plan adds stages.
        resume: whether to resume from the newest complete checkpoint in `out`; with "auto", if there is one.
        registry: what plug-ins added; by default all that are installed.

    Raises:
        UserError: settings, shards, vocabulary, checkpoint or the run to continue do not match.
    """
    settings = plan if isinstance(plan, PretrainSettings) else load_settings(PretrainSettings, plan)
    out, ranks = Path(out), Ranks.of_this_process()
    console = open_console(stderr=True, quiet=not ranks.is_main_process)
    if init and continue_from:
        raise UserError("--init and --continue-from: give one; a run that is continued has its own parameters")
    origin = RunOrigin(init=Path(init) if init else None, continue_from=Path(continue_from) if continue_from else None)
    if origin.continue_from:
        check_apart(out, origin.continue_from)
    resumed = checkpoint_to_resume(out, resume, ranks)
    if origin == RunOrigin() and resume == "auto" and not resumed:
        origin = RunOrigin.load(out)
        if origin != RunOrigin():
            console.print(f"{out}: its run had begun with {origin}, and begins with it again", soft_wrap=True)
    history = find_history(origin.continue_from, out, resumed, lambda line: console.print(line, soft_wrap=True))
    registry = registry or load_plugins()
    trainer = build_trainer(settings, registry, history)
    score, points = partial(evaluate_tasks, trainer, settings.train), settings.train.evaluation_points(trainer.plan)
    identity = run_identity(settings, history)
    prepare: Callable[[Trainer], object] | None = None
    if origin.init:
        initial = Initial(origin.init, carried=pretraining_heads(registry))
        prepare = partial(initialise, initial=initial, console=console)
    elif history:
        prepare = partial(take_over, history=history, identity=identity, out=out, console=console)
    with run_folder(out, trainer.ranks), ranks_together(out, trainer):
        print_warnings(console, settings.train.without_effect(trainer.plan))
        start(trainer, identity, resumed, prepare)
        if trainer.ranks.is_main_process and not resumed:
            continued = history.checkpoint if history else None
            RunOrigin(init=origin.init and origin.init.resolve(), continue_from=continued).save(out)
        run_stages(trainer, out, identity, score, points)


def pretraining_heads(registry: Registry) -> tuple[str, ...]:
    """Return the prefixes of the heads that pre-training tasks have alone, and of those that tasks share."""
    return SHARED_HEADS + tuple(head for task in registry.pretraining_tasks for head in task.objective.heads)


def take_over(trainer: Trainer, history: History, identity: dict[str, Any], out: Path, console: Console) -> None:
    """Give a new trainer the state of the run that it continues, and begin the log in `out` with that of the run.

    Raises:
        UserError: a task of the run has parameters of another shape now.
    """
    with still_there(history.checkpoint):
        state = TrainerState.load(history.checkpoint)
        parameters, optimizer = load_variables(history.checkpoint)
    expected = trainer.session.parameter_shapes(trainer.tasks[name] for name in history.stages.tasks)
    report = compare(expected, parameters)
    if different := [*report.mismatched, *report.missing]:
        raise UserError(
            f"{history.checkpoint}: {different[0]} is missing or has another shape than the plan's tasks need "
            f"({len(different)} tensors); the code of a task has changed"
        )
    mixtures = {name: data.corpora for name, data in trainer.data.items()}
    cursors, notes = history.positions(state.cursors, identity["data"], trainer.train, mixtures)
    precision, loss_scale = trainer.train.precision, state.loss_scale
    if precision != history.train.precision:
        loss_scale = loss_scale.in_precision(precision)
    trainer.restore(Progress(loss_scale, state.step, cursors), parameters, optimizer)
    if trainer.ranks.is_main_process:
        copy_log(history.run, out, state.step)
    if not (history.run / LOG_FILE).is_file():
        notes.append(f"{history.run}: has no {LOG_FILE}; that of {out} begins after step {state.step:,}")
    console.print(f"continuing from {history.checkpoint}, {state.step:,} steps", *notes, sep="\n", soft_wrap=True)
    print_warnings(console, history.warnings(trainer.train, trainer.plan))


def build_trainer(settings: PretrainSettings, registry: Registry, history: History | None = None) -> Trainer:
    """Open the shards, check that they match plan and model, and return a trainer at step 0.

    `history` is that of the run that the plan continues.

    Raises:
        UserError: settings, shards, vocabulary and history do not match, or samples are missing or damaged.
    """
    check = check_plan(settings, registry, history)
    if mistakes := [*filter(None, [check.not_built]), *check.mistakes]:
        raise UserError("\n".join(mistakes))
    config, vocabulary = ErnieConfig.load(settings.model.config), Vocabulary.load(settings.data.vocabulary_file)
    ranks = Ranks.of_this_process()
    tasks, opened = dict[str, Task](), dict[str, TaskData]()
    for name, quota in settings.plan.tasks.items():
        task, folders = registry.pretraining_tasks.get(name), settings.data.of_task(name)
        if folders:
            task, opened[name] = open_task(folders, task, vocabulary, ranks, partial(settings.mixture, name))
        elif history:  # without steps and samples now, the task keeps its head
            task = replace(task, objective=task.objective.with_labels(history.labels[name] or ()))
        tasks[name] = configured(task, quota)
    return Trainer(
        config,
        vocabulary,
        tasks,
        opened,
        stage_plan(settings.plan, history.stages if history else None),
        settings.train,
        settings.impl,
        auxiliary_tasks_of(settings.plan, tasks),
        {name: quota.weight for name, quota in settings.plan.tasks.items()},
        ranks,
    )


def open_task(
    folders: Mapping[str, Path],
    task: Task,
    vocabulary: Vocabulary,
    ranks: Ranks | None = None,
    mix: Callable[[Mapping[str, int]], tuple[MixedCorpus, ...]] = mixture,
) -> tuple[Task, TaskData]:
    """Open a task's samples, and return the task bound to their classes.

    Every file is checked against its checksum and every value against its range. `ranks` share this work. `mix`
    returns the mixture of corpora with so many training samples.

    Args:
        folders: the folders of the task's samples by name, whose columns are the same. A single one may have no name.

    Raises:
        UserError: the samples are missing or damaged, or do not match the vocabulary.
    """
    manifests = {name: check_shards(folder, vocabulary, ranks) for name, folder in folders.items()}
    first = next(iter(folders))
    bound = replace(task, objective=bound_objective(task, manifests[first], folders[first]))
    train = SampleTable.joined([SampleTable.open(folder, "train") for folder in folders.values()])
    validation = {name: SampleTable.open(folder, "validation") for name, folder in folders.items()}
    label_columns = frozenset[str]().union(*(manifest.label_columns for manifest in manifests.values()))
    corpora = mix({corpus.name: corpus.samples for corpus in corpora_of(manifests)})
    return bound, TaskData(train, validation, label_columns, corpora)


def run_identity(settings: PretrainSettings, history: History | None = None) -> dict[str, Any]:
    """Return everything that decides the result, as JSON. A resumed run must have the same identity."""
    data = {name: samples_digest(settings.data, name, history) for name in settings.plan.tasks}
    model = ErnieConfig.load(settings.model.config).model_dump(mode="json")
    decisive = settings.model_dump(mode="json", include={"plan", "train"})
    continued = {"history": history.model_dump(mode="json")} if history else {}
    mixing = {WEIGHTS: settings.data.weights, SHARES: settings.data.shares}
    return {"model": model, "data": data, **mixing, **decisive, **continued}


def samples_digest(data: DataSection, task: str, history: History | None) -> str:
    """Return the checksums of a task's manifests; those of the run that is continued if the task has no samples now."""
    digests = {name: sha256_of(folder / MANIFEST) for name, folder in data.of_task(task).items()}
    if not digests and history:
        return history.data[task]
    return " ".join(f"{name} {digest}" if name else digest for name, digest in digests.items())
