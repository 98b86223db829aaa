"""Token-document relation (paper section 4.2.1): does a token also occur in other segments of its document?"""

from ernie_paddle.registry import Registry
from ernie_paddle.task import Task, TokenClassificationObjective


def register(registry: Registry) -> None:
    objective = TokenClassificationObjective(
        ["here only", "elsewhere too"], "token_document", "token_document_relation_fc"
    )
    registry.pretraining_tasks.add("token_document_relation", Task("token_document_relation", 2, objective))
