"""A fine-tuning run: a model and labelled files in, the best model on the dev set out."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ernie_paddle.console import open_console
from ernie_paddle.data.order import BatchOrder
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import folder_written_whole, read_json, sha256_of, write_json
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import Registry
from ernie_paddle.task import Signature, Task
from ernie_paddle.training import checkpoint
from ernie_paddle.training.log_file import RESULT_FILE
from ernie_paddle.training.plan import StagePlan
from ernie_paddle.training.run import run_stages, start
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.run_settings import FinetuneSettings
from ernie_paddle.training.trainer import Trainer
from ernie_paddle.training.updates import TaskData

BEST, SIGNATURE_FILE, SCORES_FILE = "best", "signature.json", "scores.json"


def finetune(
    settings: FinetuneSettings, model: Path, out: Path, registry: Registry, resume: bool, from_scratch: bool
) -> dict[str, Any]:
    """Train on the training file an epoch a stage, keep the best on the dev file, score it on the test file.

    `model` gives sizes, vocabulary and, unless `from_scratch`, parameters.
    Returns the scores that are also written to `result.json`.
    """
    kind = registry.finetuning_tasks.get(settings.signature.task, "signature.task")
    given = checkpoint.load_model(model)
    signature = settings.signature
    if signature.max_length > given.config.max_position_embeddings:
        positions = given.config.max_position_embeddings
        raise UserError(f"signature.max_length {signature.max_length}: the model has {positions} positions")
    blocks = {
        split: kind.read(path, given.vocabulary, signature, True) for split, path in settings.data.files().items()
    }
    train_rows = np.arange(min(len(blocks["train"]), settings.data.train_rows or len(blocks["train"])))
    blocks["train"] = SampleTable([blocks["train"]]).take(train_rows)
    task = Task(kind.name, signature.task_id, kind.objective(signature.labels))
    trainer = Trainer(
        given.config if settings.dropout is None else given.config.with_dropout(settings.dropout),
        given.vocabulary,
        {task.name: task},
        {task.name: TaskData(SampleTable([blocks["train"]]), SampleTable([blocks["dev"]]), frozenset())},
        _epoch_plan(settings, task, blocks["train"]),
        settings.train,
        settings.impl,
        ranks=Ranks.of_this_process(),
    )
    identity = {
        "settings": settings.model_dump(mode="json", exclude={"impl"}),
        "files": {split: sha256_of(path) for split, path in settings.data.files().items()},
        "model": sha256_of(checkpoint.resolve(model) / checkpoint.MODEL_FILE),
        "from_scratch": from_scratch,
    }

    def keep_best(stage: int, log: RunLog) -> None:
        dev = trainer.evaluate(task.name, SampleTable([blocks["dev"]]))
        log.evaluation(trainer.plan.end_of(stage), stage, {task.name: dev})
        best = out / BEST
        if not trainer.ranks.leads:
            return
        if not (best / SCORES_FILE).exists() or dev.accuracy > read_json(best / SCORES_FILE, "scores")["accuracy"]:
            _save_best(best, trainer, signature, {**vars(dev), "epoch": stage + 1})

    if not resume and trainer.ranks.leads:
        shutil.rmtree(out / BEST, ignore_errors=True)
    start(trainer, out, identity, resume, None if from_scratch else model)
    run_stages(trainer, out, identity, keep_best)
    return _conclude(trainer, task, blocks, out)


def _epoch_plan(settings: FinetuneSettings, task: Task, samples: SampleBlock) -> StagePlan:
    """A stage an epoch; each as many updates as the epoch has whole groups of micro-batches."""
    train = settings.train
    order = BatchOrder(samples.lengths, train.batch_size, train.seed, task.name)
    updates = (max(1, order.batches_in(epoch) // train.accumulation) for epoch in range(settings.epochs))
    return StagePlan((task.name,), tuple((count,) for count in updates))


def _save_best(folder: Path, trainer: Trainer, signature: Signature, scores: dict[str, Any]) -> None:
    with folder_written_whole(folder) as beside:
        checkpoint.save_model(
            beside, checkpoint.Model(trainer.config, trainer.vocabulary, trainer.session.parameters())
        )
        write_json(beside / SIGNATURE_FILE, signature.model_dump(mode="json"))
        write_json(beside / SCORES_FILE, scores)


def _conclude(trainer: Trainer, task: Task, blocks: dict[str, SampleBlock], out: Path) -> dict[str, Any]:
    trainer.session.meet()  # the best model is there when its writer comes
    trainer.session.set_parameters(checkpoint.load_model(out / BEST).parameters)
    result: dict[str, Any] = {"dev": read_json(out / BEST / SCORES_FILE, "scores")}
    if "test" in blocks:
        result["test"] = vars(trainer.evaluate(task.name, SampleTable([blocks["test"]])))
    if trainer.ranks.leads:
        write_json(out / RESULT_FILE, result)
    table = Table("file", title=f"best model: epoch {result['dev']['epoch']}")
    for column in ("loss", "accuracy", "samples"):
        table.add_column(column, justify="right")
    for split, score in result.items():
        table.add_row(split, f"{score['loss']:.4f}", f"{score['accuracy']:.2%}", f"{score['labels']:,}")
    console = open_console(quiet=not trainer.ranks.leads)
    console.print(table)
    console.print(f"{out / BEST}: the best model", soft_wrap=True)
    return result
