"""Held-out scores and their tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

COLUMNS = ("loss", "unigram", "uniform", "accuracy", "majority class", "labels")


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


def baseline_scores(frequencies: np.ndarray) -> tuple[float, float]:
    """Return the unigram loss and the majority-class accuracy of labels with these `frequencies` [classes].

    The unigram loss is that of a model that predicts the class frequencies: their entropy, in nats. The majority-class
    accuracy is the share of the most frequent class. Both are 0 if there are no labels.
    """
    shares = frequencies[frequencies > 0] / max(frequencies.sum(), 1)
    return -float((shares * np.log(shares)).sum()), float(shares.max(initial=0.0))


def formatted(value: float | None, spec: str) -> str:
    """Return a value in a format such as `.3f`, and `-` for None."""
    return "-" if value is None else format(value, spec)


def score_row(scores: Mapping[str, Any]) -> list[str]:
    """Format a task's `evaluation` record, in the order of `COLUMNS`; `-` where there is no baseline."""
    losses = [formatted(scores[name], ".3f") for name in ("loss", "unigram_loss", "uniform_loss")]
    accuracies = [formatted(scores[name], ".1%") for name in ("accuracy", "majority_accuracy")]
    return [*losses, *accuracies, f"{scores['labels']:,}"]


def best_scores(evaluations: Iterable[Mapping[str, Any]]) -> dict[str, tuple[float, int]]:
    """Return the lowest held-out loss of each task in `evaluation` records, and the stage it was reached in."""
    best: dict[str, tuple[float, int]] = {}
    for record in evaluations:
        for name, scores in record["tasks"].items():
            best[name] = min(best.get(name, (np.inf, 0)), (scores["loss"], record["stage"]))
    return best


def score_table(
    title: str, tasks: Mapping[str, Mapping[str, Any]], best_before: Mapping[str, tuple[float, int]]
) -> Table:
    """Return a table with the scores of each task, its baselines and its best loss so far."""
    table = Table(title=title)
    table.add_column("task", no_wrap=True)
    for column in (*COLUMNS, "best loss before"):
        table.add_column(column, justify="right")
    for name, scores in tasks.items():
        before = "-"
        if name in best_before:
            loss, stage = best_before[name]
            before = f"{loss:.3f} (stage {stage})"
        table.add_row(name, *score_row(scores), before)
    return table
