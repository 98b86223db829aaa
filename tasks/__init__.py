"""The tasks: one file per pre-training task and per fine-tuning task, metrics, and submissions to leaderboards."""

from ernie_paddle.registry import Registry
from tasks import submission
from tasks.finetuning import (
    classification,
    cloze,
    metrics,
    multiple_choice,
    pronoun_resolution,
    reading_comprehension,
    regression,
    sequence_labelling,
)
from tasks.pretraining import (
    capitalization,
    discourse_relation,
    ir_relevance,
    knowledge_masking,
    sentence_distance,
    sentence_reordering,
    token_document_relation,
)


def register(registry: Registry) -> None:
    """Register the tasks, the metrics and the command for submissions."""
    for module in (
        knowledge_masking,
        capitalization,
        token_document_relation,
        sentence_reordering,
        sentence_distance,
        discourse_relation,
        ir_relevance,
        classification,
        regression,
        sequence_labelling,
        reading_comprehension,
        multiple_choice,
        cloze,
        pronoun_resolution,
        metrics,
        submission,
    ):
        module.register(registry)
