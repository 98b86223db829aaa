"""Tables of held-out scores."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

COLUMNS = ("loss", "by frequency", "ln(classes)", "accuracy", "most frequent", "labels")


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


def score_table(title: str, tasks: Mapping[str, Mapping[str, Any]]) -> Table:
    """Loss and accuracy of each task beside what knowing only the classes' frequencies gives."""
    table = Table(title=title)
    table.add_column("task", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for name, scores in tasks.items():
        table.add_row(name, *score_row(scores))
    return table
