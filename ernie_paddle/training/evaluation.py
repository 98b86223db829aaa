"""Held-out scores and tables of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

COLUMNS = ("loss", "by frequency", "ln(classes)", "accuracy", "most frequent", "labels")


@dataclass(frozen=True)
class Score:
    """Mean loss and accuracy over `labels` labelled positions; `prior_...` are those of `prior_scores`."""

    loss: float
    accuracy: float
    labels: int
    prior_loss: float
    prior_accuracy: float


def prior_scores(frequencies: np.ndarray) -> tuple[float, float]:
    """Loss and accuracy of somebody who knows only how frequent each class is: `frequencies` [classes].

    These are the entropy of the classes in nats and the share of the most frequent one; zeros without any label.
    """
    shares = frequencies[frequencies > 0] / max(frequencies.sum(), 1)
    return -float((shares * np.log(shares)).sum()), float(shares.max(initial=0.0))


def score_row(scores: Mapping[str, Any]) -> list[str]:
    """A task's `evaluation` record as text, in the order of `COLUMNS`."""
    return [
        f"{scores['loss']:.3f}",
        f"{scores['prior_loss']:.3f}",
        f"{scores['chance_loss']:.3f}",
        f"{scores['accuracy']:.1%}",
        f"{scores['prior_accuracy']:.1%}",
        f"{scores['labels']:,}",
    ]


def best_scores(evaluations: Iterable[Mapping[str, Any]]) -> dict[str, tuple[float, int]]:
    """The lowest held-out loss of each task in `evaluation` records, and after which stage it was reached."""
    best: dict[str, tuple[float, int]] = {}
    for record in evaluations:
        for name, scores in record["tasks"].items():
            best[name] = min(best.get(name, (np.inf, 0)), (scores["loss"], record["stage"]))
    return best


def score_table(
    title: str, tasks: Mapping[str, Mapping[str, Any]], best_before: Mapping[str, tuple[float, int]]
) -> Table:
    """Loss and accuracy of each task beside what knowing only the classes' frequencies gives, and its best before."""
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
