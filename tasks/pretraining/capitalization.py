"""Capitalisation prediction (paper section 4.2.1): is the word capitalised? English only."""

from ernie_paddle.registry import Registry
from ernie_paddle.task import Task, TokenClassification

LABELS = ("lower-case", "capitalized")


def register(registry: Registry) -> None:
    objective = TokenClassification(LABELS, column="capitalization", head="capitalization_fc")
    registry.pretraining_tasks.add("capitalization", Task("capitalization", 1, objective))
