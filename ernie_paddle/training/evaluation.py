"""Held-out scores and what they say: the best of them, what was forgotten since, and their tables.

An `evaluation` record of the log has the scores of each task after a step. The functions over several records take them
in the order of the log. They work while a run is trained and on the log of a finished one.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from rich.table import Table

COLUMNS = ("loss", "unigram", "uniform", "accuracy", "majority class", "labels")

ScoreName = Literal["loss", "accuracy"]
Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Score:
    """Mean loss and accuracy over `labels` labelled positions, with the two baselines of `baseline_scores`.

    The baselines are None if the task has no fixed number of classes.
    """

    loss: float
    accuracy: float
    labels: int
    unigram_loss: float | None
    majority_accuracy: float | None


def score_name(task: str, folder: str) -> str:
    """Return the name of a task's score on held-out samples: the task, and their folder if there are several."""
    return f"{task}/{folder}" if folder else task


def task_of(name: str) -> str:
    """Return the task of a score, given by `score_name`."""
    return name.partition("/")[0]


@dataclass(frozen=True)
class Best:
    """The best held-out value so far, the first step that reached it, and the number of evaluations since."""

    step: int
    value: float
    evaluations_since: int = 0


def is_better(name: ScoreName, value: float, other: float) -> bool:
    """Return whether a loss is lower than another, or an accuracy higher."""
    return value < other if name == "loss" else value > other


def best_after(name: ScoreName, before: Best | None, step: int, value: float) -> Best:
    """Return the best loss or accuracy after another evaluation. An equal value is not better."""
    if before is None or is_better(name, value, before.value):
        return Best(step, value)
    return replace(before, evaluations_since=before.evaluations_since + 1)


def baseline_scores(frequencies: np.ndarray) -> tuple[float, float]:
    """Return the unigram loss and the majority-class accuracy of labels with these `frequencies` [classes].

    The unigram loss is that of a model that predicts the class frequencies: their entropy, in nats. The majority-class
    accuracy is the share of the most frequent class. Both are 0 if there are no labels.
    """
    shares = frequencies[frequencies > 0] / max(frequencies.sum(), 1)
    return abs(float((shares * np.log(shares)).sum())), float(shares.max(initial=0.0))


# ---- what was forgotten ----


def best_scores(evaluations: Records, name: ScoreName) -> dict[str, Best]:
    """Return the lowest loss or the highest accuracy of each task in `evaluation` records."""
    best: dict[str, Best] = {}
    for record in evaluations:
        for task, scores in record["tasks"].items():
            best[task] = best_after(name, best.get(task), record["step"], scores[name])
    return best


def forgetting(evaluations: Records) -> dict[str, dict[ScoreName, float]]:
    """Return how far each task's scores in the last record are behind its best ones in all of them.

    For the loss, it is the last minus the lowest; for the accuracy, the highest minus the last. Both are 0 for a task
    that was never better, and positive for one of which something was forgotten.
    """
    last = evaluations[-1]["tasks"]
    losses, accuracies = best_scores(evaluations, "loss"), best_scores(evaluations, "accuracy")
    return {
        task: {"loss": scores["loss"] - losses[task].value, "accuracy": accuracies[task].value - scores["accuracy"]}
        for task, scores in last.items()
    }


def own_stages(evaluations: Records) -> dict[str, Mapping[str, Any]]:
    """Return, by task, the last record of the stage that introduced it: its scores right after its own stage."""
    own: dict[str, Mapping[str, Any]] = {}
    for record in evaluations:
        for task in record["tasks"]:
            if task not in own or own[task]["stage"] == record["stage"]:
                own[task] = record
    return own


def earlier_tasks(evaluations: Records) -> dict[str, Mapping[str, Any]]:
    """Return `own_stages` of the tasks in the last record that an earlier stage introduced."""
    last, own = evaluations[-1], own_stages(evaluations)
    return {task: own[task] for task in last["tasks"] if own[task]["stage"] < last["stage"]}


def backward_transfer(evaluations: Records) -> dict[ScoreName, float] | None:
    """Return the mean change of the earlier tasks' scores since the end of the stage that introduced each of them.

    For the accuracy, this is the backward transfer (BWT) of Lopez-Paz and Ranzato, Gradient Episodic Memory for
    Continual Learning (2017): the accuracy now minus that right after the task's own stage, averaged over the earlier
    tasks. Below 0, later stages made the model forget; above 0, they helped. The change of the loss has the opposite
    sign. It is None if no earlier stage introduced a task.
    """
    last, earlier = evaluations[-1]["tasks"], earlier_tasks(evaluations)
    changes: dict[ScoreName, list[float]] = {
        name: [last[task][name] - own["tasks"][task][name] for task, own in earlier.items()]
        for name in ("loss", "accuracy")
    }
    return {name: statistics.fmean(values) for name, values in changes.items()} if changes["loss"] else None


# ---- as tables ----


def formatted(value: float | None, spec: str) -> str:
    """Return a value in a format such as `.3f`, and `-` for None."""
    return "-" if value is None else format(value, spec)


def score_row(scores: Mapping[str, Any]) -> list[str]:
    """Format a task's `evaluation` record, in the order of `COLUMNS`; `-` where there is no baseline."""
    losses = [formatted(scores[name], ".3f") for name in ("loss", "unigram_loss", "uniform_loss")]
    accuracies = [formatted(scores[name], ".1%") for name in ("accuracy", "majority_accuracy")]
    return [*losses, *accuracies, f"{scores['labels']:,}"]


def transfer_text(transfer: Mapping[ScoreName, float]) -> str:
    """Return the backward transfer as text, with its sign explained."""
    accuracy, loss = f"{transfer['accuracy']:+.2%}", f"{transfer['loss']:+.3f}"
    return f"accuracy {accuracy} (below 0: forgotten), loss {loss} (above 0: forgotten)"


def score_table(title: str, evaluations: Records) -> Table:
    """Return a table of the scores in the last record: each task's, its baselines, and what was forgotten of it."""
    lost, transfer = forgetting(evaluations), backward_transfer(evaluations)
    table = Table(title=title, caption_justify="left")
    table.add_column("task", no_wrap=True)
    for column in (*COLUMNS, "loss\nforgotten", "accuracy\nforgotten"):
        table.add_column(column, justify="right")
    for name, scores in evaluations[-1]["tasks"].items():
        table.add_row(name, *score_row(scores), f"{lost[name]['loss']:.3f}", f"{lost[name]['accuracy']:.1%}")
    if transfer:
        table.caption = f"backward transfer: {transfer_text(transfer)}"
    return table
