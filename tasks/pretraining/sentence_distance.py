"""Sentence distance (paper section 4.2.2): how far apart were two sentences in the corpus?"""

from ernie_paddle.registry import Registry
from ernie_paddle.task import SentenceClassificationObjective, Task

LABELS = ("adjacent", "same document", "different documents")


def register(registry: Registry) -> None:
    objective = SentenceClassificationObjective(LABELS, head="sentence_distance_fc")
    registry.pretraining_tasks.add("sentence_distance", Task("sentence_distance", 4, objective))
