"""Metrics of sequence labelling: entity F1 for the tags of a scheme, and accuracy for other tags."""

from collections.abc import Sequence

from ernie_paddle.metric import Metric, MetricValues
from tasks.finetuning.metrics.classification import one_class
from tasks.finetuning.schemes import SCHEMES, check_tags, in_bioes

VALUES = ("f1", "precision", "recall", "f1_strict")


def entity_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str) -> MetricValues:
    """Return F1, precision and recall of entities over all texts. An entity is right if its borders and its name are.

    `f1`, `precision` and `recall` count as the release's `chunk_eval` and conlleval do, and are comparable with the
    paper's values for MSRA-NER. Every run of tags with one name is an entity, whatever its letters. A tag that begins
    an entity (B, S) splits the run before it, a tag that ends one (E, S) after it. `f1_strict` counts only entities
    that the scheme allows: in IOB2, an `I-` that follows no tag of its name belongs to no entity.

    Raises:
        UserError: a tag is not in the scheme.
        ValueError: the numbers of predicted and gold tags of a text differ.
    """
    # A local import: seqeval loads scikit-learn.
    from seqeval.metrics import sequence_labeling, v1
    from seqeval.scheme import IOB1, IOB2, IOBES

    check_tags(
        sorted({tag for side in (gold, predicted) for tags in side for tag in tags}), scheme, "metric 'entity_f1'"
    )
    texts = [[in_bioes(tags) for tags in side] for side in (gold, predicted)]
    allowed = {"iob1": IOB1, "iob2": IOB2, "bioes": IOBES}[scheme]
    by_run = sequence_labeling.precision_recall_fscore_support(*texts, average="micro", zero_division=0)
    by_scheme = v1.precision_recall_fscore_support(*texts, average="micro", scheme=allowed, zero_division=0)
    values = dict(zip(("precision", "recall", "f1", "f1_strict"), map(float, (*by_run[:3], by_scheme[2])), strict=True))
    in_gold, in_predicted = ({tag for tags in side for tag in tags} - {"O"} for side in texts)
    if not in_gold:
        return MetricValues(values, "no text has an entity")
    return MetricValues(values, None if in_predicted else "no entity is predicted")


def tag_accuracy(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> MetricValues:
    """Return the share of tokens with the right tag over all texts, for parts of speech and similar tags.

    Raises:
        ValueError: the numbers of predicted and gold tags of a text differ.
    """
    pairs = [pair for texts in zip(gold, predicted, strict=True) for pair in zip(*texts, strict=True)]
    right = sum(gold_tag == predicted_tag for gold_tag, predicted_tag in pairs)
    reason = one_class(*zip(*pairs, strict=True)) if pairs else "no text has a token"
    return MetricValues({"accuracy": right / max(len(pairs), 1)}, reason)


METRICS = (
    Metric("entity_f1", "tags", VALUES, "f1", entity_f1, {"scheme": SCHEMES}),
    Metric("tag_accuracy", "tags", ("accuracy",), "accuracy", tag_accuracy),
)
