"""A pre-training run: settings and shards in, checkpoints and a log out."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from ernie_paddle.data.order import Cursor
from ernie_paddle.data.shards import Manifest, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, sha256_of
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.registry import Registry
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training import checkpoint
from ernie_paddle.training.evaluation import show_scores
from ernie_paddle.training.initial import initialise
from ernie_paddle.training.plan import PlanSettings, stage_plan
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.run_settings import PretrainSettings
from ernie_paddle.training.trainer import Progress, Trainer
from ernie_paddle.training.updates import TaskData


def pretrain(settings: PretrainSettings, out: Path, registry: Registry, resume: bool, init: Path | None) -> None:
    """Train through all stages of the plan; go on from the newest whole checkpoint if `resume`.

    Raises:
        UserError: settings, shards, vocabulary or checkpoint do not fit each other.
    """
    console = Console(stderr=True, highlight=False)
    trainer = build_trainer(settings, registry)
    identity = run_identity(settings)
    if resume:
        _restore(trainer, out, identity, console)
    elif checkpoint.checkpoints(out):
        raise UserError(f"{out}: holds checkpoints; go on with --resume, or choose another --out")
    if init and not trainer.progress.update:
        initialise(trainer, init, console)
    out.mkdir(parents=True, exist_ok=True)
    plan, impl = trainer.plan, settings.impl
    with RunLog(out, trainer) as log:
        for step in trainer.updates():
            log.step(step)
            number, stage = step.planned.number, step.planned.stage
            stage_over = number == plan.end_of(stage)
            if stage_over or number % impl.save_every == 0:
                log.flush()
                if stage_over:
                    scores = {name: trainer.evaluate(name) for name in plan.introduced(stage)}
                    log.evaluation(number, stage, scores)
                    show_scores(
                        log.console, f"held-out scores after stage {stage + 1} of {plan.stages}", trainer, scores
                    )
                save(trainer, out, identity, impl.keep_checkpoints)
                log.restart_clock()


def save(trainer: Trainer, out: Path, identity: dict[str, Any], keep: int) -> None:
    """Write a checkpoint of the trainer and remove the oldest ones."""
    model = checkpoint.Model(trainer.config, trainer.vocabulary, trainer.session.parameters())
    cursors = {name: asdict(cursor) for name, cursor in trainer.progress.cursors.items()}
    state = {"cursors": cursors, "run": identity}
    checkpoint.save_checkpoint(out, trainer.progress.update, model, trainer.session.optimizer_state(), state)
    checkpoint.remove_old(out, keep)


def build_trainer(settings: PretrainSettings, registry: Registry) -> Trainer:
    """Open the shards, check that they fit the plan and the model, and make a trainer at update 0."""
    tasks = {name: registry.pretraining_tasks.get(name, "plan.tasks") for name in settings.plan.tasks}
    config = ErnieConfig.load(settings.model.config)
    vocabulary = Vocabulary.load(settings.data.vocab or settings.data.shards / checkpoint.VOCABULARY_FILE)
    if vocabulary.size > config.vocab_size:
        raise UserError(
            f"{settings.model.config}: vocab_size {config.vocab_size} is less than the {vocabulary.size} "
            "entries of the vocabulary; raise it or take another vocabulary"
        )
    return Trainer(
        config,
        vocabulary,
        tasks,
        {name: open_task_data(settings.data.shards, task, config, vocabulary) for name, task in tasks.items()},
        stage_plan(settings.plan),
        settings.train,
        settings.impl,
        companions_of(settings.plan, tasks),
        {name: quota.weight for name, quota in settings.plan.tasks.items()},
    )


def companions_of(plan: PlanSettings, tasks: dict[str, Task]) -> list[str]:
    """Names of the tasks whose losses may ride along with other tasks."""
    token_level = [name for name, task in tasks.items() if task.objective.level == "token"]
    if plan.companions is None:
        return token_level
    for name in plan.companions:
        if name not in token_level:
            raise UserError(f"plan.companions: '{name}' is not a token-level task; its loss cannot ride along")
    return plan.companions


def open_task_data(shards: Path, task: Task, config: ErnieConfig, vocabulary: Vocabulary) -> TaskData:
    """Map a task's shards after checking that model and vocabulary fit them."""
    folder = shards / task.name
    if not folder.is_dir():
        raise UserError(f"{folder}: the plan names the task '{task.name}', but it has no samples there; build them")
    manifest = Manifest.load(folder)
    if manifest.vocabulary_digest != vocabulary.digest:
        raise UserError(
            f"{folder}: built with another vocabulary ({manifest.vocabulary_size} entries, "
            f"this one has {vocabulary.size}); build the shards again or take theirs"
        )
    if manifest.max_length > config.max_position_embeddings:
        raise UserError(
            f"{folder}: samples have up to {manifest.max_length} tokens, the model "
            f"max_position_embeddings {config.max_position_embeddings}"
        )
    classes = task.objective.classes(vocabulary.size)
    too_large = [label for label in manifest.label_counts if int(label) >= classes]
    if task.objective.level == "sentence" and too_large:
        raise UserError(f"{folder}: label {too_large[0]} found, the task '{task.name}' has {classes} classes")
    for split in manifest.splits:
        if not manifest.count(split):
            raise UserError(f"{folder}: no {split} samples; build from more documents")
    return TaskData(
        SampleTable.open(folder, "train"), SampleTable.open(folder, "validation"), frozenset(manifest.carried)
    )


def run_identity(settings: PretrainSettings) -> dict[str, Any]:
    """Everything that decides the result, as flat JSON: a resumed run must have the same."""
    tree = json.loads(settings.model_dump_json(exclude={"impl", "model", "data"}))
    flat = {"model": json.loads(ErnieConfig.load(settings.model.config).model_dump_json())} | tree
    flat["data"] = {name: sha256_of(settings.data.shards / name / "manifest.json") for name in settings.plan.tasks}
    return _flattened(flat)


def _restore(trainer: Trainer, out: Path, identity: dict[str, Any], console: Console) -> None:
    path = checkpoint.newest_whole(out, report=lambda line: console.print(line, soft_wrap=True))
    if path is None:
        console.print(f"{out}: no checkpoint to go on from, starting at update 1", soft_wrap=True)
        return
    state = read_json(path / checkpoint.STATE_FILE, "trainer state")
    for key in sorted(identity.keys() | state["run"].keys()):
        then, now = state["run"].get(key), identity.get(key)
        if then != now:
            raise UserError(f"{path}: cannot go on: {key} was {then!r}, is {now!r} now; restore it, or start anew")
    cursors = {name: Cursor(**cursor) for name, cursor in state["cursors"].items()}
    parameters = checkpoint.load_tensors(path / checkpoint.MODEL_FILE)
    optimizer = checkpoint.load_tensors(path / checkpoint.OPTIMIZER_FILE)
    trainer.restore(Progress(state["update"], cursors), parameters, optimizer)
    console.print(f"going on from {path}", soft_wrap=True)


def _flattened(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
