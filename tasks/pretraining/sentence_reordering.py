"""Sentence reordering (paper section 4.2.2): in which order did these segments stand?

With m = 3 segments at most there are 1! + 2! + 3! = 9 classes: the number of segments and, for each position
in the sample, the place that its segment had in the text.
"""

from itertools import permutations

from ernie_paddle.registry import Registry
from ernie_paddle.task import SentenceClassification, Task

MOST_SEGMENTS = 3


def class_names(most_segments: int) -> list[str]:
    """Names such as `2 1 3`, in the order of the class ids: fewer segments first, then lexicographic."""
    return [
        " ".join(str(place + 1) for place in order)
        for count in range(1, most_segments + 1)
        for order in permutations(range(count))
    ]


def register(registry: Registry) -> None:
    objective = SentenceClassification(class_names(MOST_SEGMENTS), head="sentence_reordering_fc")
    registry.pretraining_tasks.add("sentence_reordering", Task("sentence_reordering", 3, objective))
