"""Capitalisation prediction (paper section 4.2.1): is the word capitalised? For English only."""

from ernie_paddle.registry import Registry
from ernie_paddle.task import Task, TokenClassificationObjective

LABELS = ("lower-case", "capitalized")


def register(registry: Registry) -> None:
    objective = TokenClassificationObjective(LABELS, column="capitalization", head="capitalization_fc")
    registry.pretraining_tasks.add("capitalization", Task("capitalization", 1, objective))
