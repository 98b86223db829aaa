"""Sentence reordering (paper section 4.2.2): in which order did these segments stand?

The classes are the shards': with m = 3 segments at most 1! + 2! + 3! = 9, the number of segments and, for each
position in the sample, the place that its segment had in the text.
"""

from ernie_paddle.registry import Registry
from ernie_paddle.task import SentenceClassification, Task


def register(registry: Registry) -> None:
    objective = SentenceClassification(None, head="sentence_reordering_fc")
    registry.pretraining_tasks.add("sentence_reordering", Task("sentence_reordering", 3, objective))
