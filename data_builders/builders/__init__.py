"""Sample builders, one per task, which compose samples from annotated documents."""

from data_builders.builders.capitalization import CapitalizationBuilder
from data_builders.builders.discourse_relation import DiscourseRelationBuilder
from data_builders.builders.ir_relevance import IrRelevanceBuilder
from data_builders.builders.knowledge_masking import KnowledgeMaskingBuilder
from data_builders.builders.sentence_distance import SentenceDistanceBuilder
from data_builders.builders.sentence_reordering import SentenceReorderingBuilder
from data_builders.builders.token_document_relation import TokenDocumentRelationBuilder
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Register the sample builders under the names of their tasks."""
    for builder in (
        KnowledgeMaskingBuilder,
        CapitalizationBuilder,
        TokenDocumentRelationBuilder,
        SentenceReorderingBuilder,
        SentenceDistanceBuilder,
        DiscourseRelationBuilder,
        IrRelevanceBuilder,
    ):
        registry.sample_builders.add(builder.name, builder)
