"""Metrics of rankings, as NLPCC-DBQA takes them: each query has candidates, each candidate a score.

The candidates of a query are ranked from the highest score down; of equal scores, irrelevant ones come first, so that
a model which tells nothing apart gains nothing and the order of rows does not matter. A query without any relevant
candidate counts as 0 (as in the release's `evaluate_mrr` and `evaluate_map`).
"""

from collections.abc import Hashable, Sequence

import numpy as np

from ernie_paddle.metric import Measured, Metric
from tasks.finetuning.metrics.classification import accuracy_and_f1

FIGURES, ALL_FIGURES = ("mrr", "map"), ("mrr", "f1", "accuracy")


def mrr(gold: Sequence[int], predicted: Sequence[float], queries: Sequence[Hashable]) -> Measured:
    """Mean reciprocal rank and mean average precision over queries, all candidates taken.

    `gold` is 1 for a relevant candidate and 0 for another, `predicted` its score, `queries` the query it is of; rows of
    a query need not be neighbours. MRR is the mean of 1 / rank of the first relevant candidate. MAP@all is the mean of
    average precisions; that of a query is the mean, over its relevant candidates, of the share of relevant ones among
    those ranked so high.
    """
    if len(queries) != len(gold):
        raise ValueError(f"{len(gold)} candidates, {len(queries)} queries named")
    numbers: dict[Hashable, int] = {}
    query = np.array([numbers.setdefault(name, len(numbers)) for name in queries])
    relevant, scores = np.asarray(gold, np.int64), np.asarray(predicted, np.float64)
    wrong = np.count_nonzero(~np.isfinite(scores))
    if wrong:
        return Measured(dict.fromkeys(FIGURES, 0.0), f"{wrong} of {len(scores)} scores are NaN or infinite")
    order = np.lexsort((relevant, -scores, query))
    query, relevant, scores = query[order], relevant[order], scores[order]
    starts = np.flatnonzero(np.diff(query, prepend=-1))
    sizes = np.diff(np.append(starts, len(query)))
    ranks = np.arange(len(query)) - np.repeat(starts, sizes) + 1
    seen = np.cumsum(relevant)
    seen -= np.repeat(seen[starts] - relevant[starts], sizes)  # relevant ones of this query so far
    relevant_in_query = np.add.reduceat(relevant, starts)
    first = (relevant == 1) & (seen == 1)
    average_precision = np.add.reduceat(relevant * seen / ranks, starts) / np.maximum(relevant_in_query, 1)
    figures = {"mrr": float((1 / ranks[first]).sum() / len(starts)), "map": float(average_precision.mean())}
    spread = np.maximum.reduceat(scores, starts) - np.minimum.reduceat(scores, starts)
    if sizes.max() > 1 and not spread.any():
        return Measured(figures, "all candidates of each query have the same score")
    return Measured(figures)


def accuracy_f1_and_mrr(
    gold: Sequence[int], predicted: Sequence[tuple[int, float]], queries: Sequence[Hashable]
) -> Measured:
    """Accuracy and F1 of what is taken for relevant, and MRR (the release's `acc_and_f1_and_mrr`).

    `gold` as for `mrr`; `predicted` says of each candidate whether it is taken for relevant, 0 or 1, and its score.
    """
    taken, scores = [one for one, _ in predicted], [score for _, score in predicted]
    classes, ranking = accuracy_and_f1(gold, taken, positive=1), mrr(gold, scores, queries)
    figures = {name: (classes.figures | ranking.figures)[name] for name in ALL_FIGURES}
    return Measured(figures, ranking.degenerate or classes.degenerate)


METRICS = (
    Metric("mrr", "relevance", FIGURES, "mrr", mrr, columns=("queries",)),
    Metric("accuracy_f1_and_mrr", "judgements", ALL_FIGURES, "mrr", accuracy_f1_and_mrr, columns=("queries",)),
)
