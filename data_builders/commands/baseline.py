"""`ernie-paddle baseline`."""

import argparse
from pathlib import Path
from typing import Any

from rich.table import Table

from ernie_paddle.arguments import seed
from ernie_paddle.console import open_console
from ernie_paddle.data.shards import MANIFEST, Manifest, task_folders
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, sha256_of
from ernie_paddle.model.saved import check_model, newest
from ernie_paddle.registry import Command, Registry
from ernie_paddle.training.checkpoint import STATE_FILE
from ernie_paddle.training.evaluation import Score, formatted
from ernie_paddle.training.log_file import LOG_FILE, read_log


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shards", type=Path, help="folder with the samples of several tasks, or of one")
    parser.add_argument("--run", type=Path, help="a pre-training run to compare with, by its last held-out scores")
    parser.add_argument(
        "--seed", type=seed, default=1, help="seed of the sampling and order of the training samples (default: 1)"
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    from data_builders.baseline import measure

    scores = last_scores(args.run) if args.run else {}
    tasks = [
        (folder, registry.pretraining_tasks.get(Manifest.load(folder).task, str(folder)))
        for folder in task_folders(args.shards)
    ]
    console = open_console()
    known = samples_of(args.run) if args.run else {}
    for folder, task in tasks:
        if task.name in scores and sha256_of(folder / MANIFEST) != known.get(task.name):
            console.print(f"{args.run}: trained on other samples of {task.name}; its score is left out", soft_wrap=True)
            del scores[task.name]
    rows = {}
    for folder, task in sorted(tasks, key=lambda folder_and_task: folder_and_task[1].task_id):
        rows[task.name] = measure(folder, task, args.seed)
    console.print(table(rows, scores))


def last_scores(run: Path) -> dict[str, Any]:
    """Return the held-out scores after the last stage of a run."""
    if not (run / LOG_FILE).is_file():
        raise UserError(f"{run / LOG_FILE}: no such log; name the folder of a pre-training run")
    evaluations = [record for record in read_log(run / LOG_FILE) if record["event"] == "evaluation"]
    if not evaluations:
        raise UserError(f"{run / LOG_FILE}: no stage of this run has ended yet")
    return dict(evaluations[-1]["tasks"])


def samples_of(run: Path) -> dict[str, str]:
    """Return the checksums of the manifests of a run's samples, by task; empty without a checkpoint."""
    checkpoint = newest(run, check_model, lambda _: None)
    return dict(read_json(checkpoint / STATE_FILE, "trainer state")["run"]["data"]) if checkpoint else {}


def table(rows: dict[str, Score], scores: dict[str, Any]) -> Table:
    """Return a table of the accuracies and losses of the baselines and of the model on held-out samples."""
    result = Table("task", title="held-out samples: bag-of-words baselines")
    columns = ["labels", "majority class", "accuracy", "unigram loss", "loss"]
    for column in [
        *columns[:3],
        *(["accuracy of model"] if scores else []),
        *columns[3:],
        *(["loss of model"] if scores else []),
    ]:
        result.add_column(column, justify="right")
    for name, row in rows.items():
        accuracies, losses = [row.majority_accuracy, row.accuracy], [row.unigram_loss, row.loss]
        if scores:
            model = scores.get(name, {})
            accuracies.append(model.get("accuracy"))
            losses.append(model.get("loss"))
        values = [(value, ".1%") for value in accuracies] + [(value, ".3f") for value in losses]
        result.add_row(name, f"{row.labels:,}", *(formatted(value, spec) for value, spec in values))
    result.caption = "labels are those of the samples read here; a bigram model for tasks that predict tokens"
    return result


COMMAND = Command(
    name="baseline",
    help="train bag-of-words baselines on samples (scikit-learn), to compare a model's scores with",
    example="ernie-paddle baseline runs/quickstart/shards --run runs/quickstart/pretrain",
    configure=configure,
    run=run,
)
