"""IR relevance (paper section 4.2.3): how well does a title answer a query?

The classes are the shards': clicked, shown but not clicked, random; or, from documents with titles, the document's own
title, one that BM25 ranks high, a random one.
"""

from ernie_paddle.registry import Registry
from ernie_paddle.task import SentenceClassification, Task


def register(registry: Registry) -> None:
    objective = SentenceClassification(None, head="ir_relevance_fc")
    registry.pretraining_tasks.add("ir_relevance", Task("ir_relevance", 6, objective))
