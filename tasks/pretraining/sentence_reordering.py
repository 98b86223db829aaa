"""Sentence reordering (paper section 4.2.2): what was the original order of these segments?

The classes come from the shards: the number of segments and, for each position in the sample, the position that its
segment had in the text. With at most m = 3 segments these are 1! + 2! + 3! = 9 classes.
"""

from ernie_paddle.registry import Registry
from ernie_paddle.task import SentenceClassificationObjective, Task


def register(registry: Registry) -> None:
    objective = SentenceClassificationObjective(None, head="sentence_reordering_fc")
    registry.pretraining_tasks.add("sentence_reordering", Task("sentence_reordering", 3, objective))
