"""Metrics of sequence labelling: entities in the tags of a scheme, and tags that mark none."""

from collections.abc import Sequence

from ernie_paddle.metric import Measured, Metric
from tasks.finetuning.metrics.classification import one_class
from tasks.finetuning.schemes import SCHEMES, check_tags, in_bioes

FIGURES = ("f1", "precision", "recall", "f1_strict")


def entity_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str) -> Measured:
    """F1, precision and recall of entities over all texts; an entity is right if both borders and its name are.

    `f1`, `precision` and `recall` count as the release's `chunk_eval` and conlleval do, and so are the paper's figures
    for MSRA-NER: every run of tags of one name is an entity, whatever letter begins or ends it; a tag that begins one
    (B, S) cuts the run before it, one that ends one (E, S) behind it. `f1_strict` knows only entities that the scheme
    allows: in IOB2 an `I-` that follows no tag of its name belongs to none.

    Raises:
        UserError: a tag is not of the scheme.
        ValueError: a text has not as many predicted as gold tags.
    """
    # Imported where needed: seqeval loads scikit-learn.
    from seqeval.metrics import sequence_labeling, v1
    from seqeval.scheme import IOB1, IOB2, IOBES

    check_tags(
        sorted({tag for side in (gold, predicted) for tags in side for tag in tags}), scheme, "metric 'entity_f1'"
    )
    texts = [[in_bioes(tags) for tags in side] for side in (gold, predicted)]
    allowed = {"iob1": IOB1, "iob2": IOB2, "bioes": IOBES}[scheme]
    by_run = sequence_labeling.precision_recall_fscore_support(*texts, average="micro", zero_division=0)
    by_scheme = v1.precision_recall_fscore_support(*texts, average="micro", scheme=allowed, zero_division=0)
    figures = dict(
        zip(("precision", "recall", "f1", "f1_strict"), map(float, (*by_run[:3], by_scheme[2])), strict=True)
    )
    in_gold, in_predicted = ({tag for tags in side for tag in tags} - {"O"} for side in texts)
    if not in_gold:
        return Measured(figures, "no text has an entity")
    return Measured(figures, None if in_predicted else "no entity is predicted")


def tag_accuracy(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Measured:
    """The share of tokens, of all texts together, whose tag is right: for parts of speech and other such tags.

    Raises:
        ValueError: a text has not as many predicted as gold tags.
    """
    pairs = [pair for texts in zip(gold, predicted, strict=True) for pair in zip(*texts, strict=True)]
    right = sum(one == other for one, other in pairs)
    reason = one_class(*zip(*pairs, strict=True)) if pairs else "no text has a token"
    return Measured({"accuracy": right / max(len(pairs), 1)}, reason)


METRICS = (
    Metric("entity_f1", "tags", FIGURES, "f1", entity_f1, {"scheme": SCHEMES}),
    Metric("tag_accuracy", "tags", ("accuracy",), "accuracy", tag_accuracy),
)
