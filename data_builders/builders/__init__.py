"""Sample builders: each composes one task's samples from annotated documents. One module a task."""

from data_builders.builders import (
    capitalization,
    discourse_relation,
    ir_relevance,
    knowledge_masking,
    sentence_distance,
    sentence_reordering,
    token_document_relation,
)
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Add the sample builders under their tasks' names."""
    for module in (
        knowledge_masking,
        capitalization,
        token_document_relation,
        sentence_reordering,
        sentence_distance,
        discourse_relation,
        ir_relevance,
    ):
        registry.sample_builders.add(module.Builder.name, module.Builder)
