"""Discourse relation (paper section 4.2.3): which marker was taken from between two sentences?

The classes are the markers that the shards were built with.
"""

from ernie_paddle.registry import Registry
from ernie_paddle.task import SentenceClassification, Task


def register(registry: Registry) -> None:
    objective = SentenceClassification(None, head="discourse_relation_fc")
    registry.pretraining_tasks.add("discourse_relation", Task("discourse_relation", 5, objective))
