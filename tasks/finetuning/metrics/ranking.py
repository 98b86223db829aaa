"""Metrics of rankings, as in NLPCC-DBQA: each query has candidates, each candidate a score.

The candidates of a query are ranked by descending score. Of equal scores, irrelevant candidates come first. Hence a
model that scores all candidates equally gains nothing, and the order of rows does not matter. A query without relevant
candidates counts as 0 (as in the release's `evaluate_mrr` and `evaluate_map`).
"""

from collections.abc import Hashable, Sequence

import numpy as np

from ernie_paddle.metric import Metric, MetricValues
from tasks.finetuning.metrics.classification import accuracy_and_f1

VALUES, ALL_VALUES = ("mrr", "map"), ("mrr", "f1", "accuracy")


def mrr(gold: Sequence[int], predicted: Sequence[float], queries: Sequence[Hashable]) -> MetricValues:
    """Return mean reciprocal rank and mean average precision over queries, with all candidates ranked.

    For each candidate, `gold` is 1 if it is relevant and 0 otherwise, `predicted` is its score and `queries` its query.
    The rows of a query need not be adjacent. MRR is the mean of 1 / rank of the first relevant candidate. MAP@all is
    the mean of the queries' average precisions: the mean, over the relevant candidates of a query, of the share of
    relevant candidates at that rank or above.
    """
    if len(queries) != len(gold):
        raise ValueError(f"{len(gold)} candidates, but {len(queries)} queries")
    numbers: dict[Hashable, int] = {}
    query = np.array([numbers.setdefault(name, len(numbers)) for name in queries])
    relevant, scores = np.asarray(gold, np.int64), np.asarray(predicted, np.float64)
    non_finite = np.count_nonzero(~np.isfinite(scores))
    if non_finite:
        return MetricValues(dict.fromkeys(VALUES, 0.0), f"{non_finite} of {len(scores)} scores are NaN or infinite")
    order = np.lexsort((relevant, -scores, query))
    query, relevant, scores = query[order], relevant[order], scores[order]
    starts = np.flatnonzero(np.diff(query, prepend=-1))
    sizes = np.diff(np.append(starts, len(query)))
    ranks = np.arange(len(query)) - np.repeat(starts, sizes) + 1
    seen = np.cumsum(relevant)
    seen -= np.repeat(seen[starts] - relevant[starts], sizes)  # relevant candidates of the query up to this rank
    relevant_in_query = np.add.reduceat(relevant, starts)
    first = (relevant == 1) & (seen == 1)
    average_precision = np.add.reduceat(relevant * seen / ranks, starts) / np.maximum(relevant_in_query, 1)
    values = {"mrr": float((1 / ranks[first]).sum() / len(starts)), "map": float(average_precision.mean())}
    ranges = np.maximum.reduceat(scores, starts) - np.minimum.reduceat(scores, starts)
    if sizes.max() > 1 and not ranges.any():
        return MetricValues(values, "all candidates of each query have the same score")
    return MetricValues(values)


def accuracy_f1_and_mrr(
    gold: Sequence[int], predicted: Sequence[tuple[int, float]], queries: Sequence[Hashable]
) -> MetricValues:
    """Return accuracy and F1 of the predicted relevance, and MRR (the release's `acc_and_f1_and_mrr`).

    `gold` and `queries` are as for `mrr`. `predicted` holds the predicted relevance, 0 or 1, and the score.
    """
    relevance, scores = [predicted_class for predicted_class, _ in predicted], [score for _, score in predicted]
    classes, ranking = accuracy_and_f1(gold, relevance, positive=1), mrr(gold, scores, queries)
    values = {name: (classes.values | ranking.values)[name] for name in ALL_VALUES}
    return MetricValues(values, ranking.degenerate or classes.degenerate)


METRICS = (
    Metric("mrr", "relevance", VALUES, "mrr", mrr, columns=("queries",)),
    Metric("accuracy_f1_and_mrr", "judgements", ALL_VALUES, "mrr", accuracy_f1_and_mrr, columns=("queries",)),
)
