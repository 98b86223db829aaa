"""Metrics of sequence labelling: entities in tags `B-name`, `I-name` and `O`."""

import re
from collections.abc import Sequence

from ernie_paddle.errors import UserError
from ernie_paddle.metric import Measured, Metric

FIGURES = ("precision", "recall", "f1", "f1_lenient")
TAG = re.compile(r"O|[BI]-.+")


def entity_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Measured:
    """Precision, recall and F1 of entities over all texts; an entity is right if both borders and its kind are.

    Tags are read as strict IOB2: only `B-name` begins an entity and only `I-name` of the same name goes on with it, so
    that an `I-` tag elsewhere belongs to none. `f1_lenient` lets such a tag begin an entity, as conlleval and the
    release's `chunk_eval` do: it is the one to set beside the paper's figures for MSRA-NER.

    Raises:
        UserError: a tag is of another form.
        ValueError: a text has not as many predicted as gold tags.
    """
    # Imported where needed: seqeval loads scikit-learn.
    from seqeval.metrics import f1_score
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2

    texts = [[list(tags) for tags in side] for side in (gold, predicted)]
    for tag in {tag for side in texts for tags in side for tag in tags}:
        if not TAG.fullmatch(tag):
            raise UserError(f"metric 'entity_f1': tag '{tag}': tags are O, B-name and I-name")
    precision, recall, f1, _ = precision_recall_fscore_support(*texts, average="micro", scheme=IOB2, zero_division=0)
    lenient = f1_score(*texts, average="micro", zero_division=0)
    figures = dict(zip(FIGURES, map(float, (precision, recall, f1, lenient)), strict=True))
    in_gold, in_predicted = ({tag for tags in side for tag in tags} - {"O"} for side in texts)
    if not in_gold:
        return Measured(figures, "no text has an entity")
    return Measured(figures, None if in_predicted else "no entity is predicted")


METRICS = (Metric("entity_f1", "tags", FIGURES, "f1", entity_f1),)
