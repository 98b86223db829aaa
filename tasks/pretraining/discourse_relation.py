"""Discourse relation (paper section 4.2.3): which marker was removed between two sentences?

The classes are the markers that the shards were built with.
"""

from ernie_paddle.registry import Registry
from ernie_paddle.task import SentenceClassificationObjective, Task


def register(registry: Registry) -> None:
    objective = SentenceClassificationObjective(None, head="discourse_relation_fc")
    registry.pretraining_tasks.add("discourse_relation", Task("discourse_relation", 5, objective))
