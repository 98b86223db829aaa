"""IR relevance (paper section 4.2.3): how well does a title answer a query?

The classes come from the shards. For search logs, the title was clicked, shown but not clicked, or is random. For
documents with titles, it is the document's own title, one that BM25 ranks high, or a random one.
"""

from ernie_paddle.registry import Registry
from ernie_paddle.task import SentenceClassificationObjective, Task


def register(registry: Registry) -> None:
    objective = SentenceClassificationObjective(None, head="ir_relevance_fc")
    registry.pretraining_tasks.add("ir_relevance", Task("ir_relevance", 6, objective))
