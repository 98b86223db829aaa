"""Metrics of numbers: Pearson and Spearman correlation."""

from collections.abc import Sequence

import numpy as np

from ernie_paddle.metric import Metric, MetricValues

VALUES = ("pearson", "spearman", "mean")
ROUNDING = 1e-6  # of float32: constant predictions differ by up to this much between batches


def pearson_and_spearman(gold: Sequence[float], predicted: Sequence[float]) -> MetricValues:
    """Return Pearson's and Spearman's correlation and their mean, which is GLUE's score for STS-B.

    Both are undefined if gold or predictions are not finite or constant, apart from rounding.
    """
    # A local import: scipy.stats takes a second to load.
    from scipy.stats import pearsonr, spearmanr

    columns = [np.asarray(values, np.float64) for values in (gold, predicted)]
    if reason := _undefined(*columns):
        return MetricValues(dict.fromkeys(VALUES, 0.0), reason)
    pearson, spearman = (float(correlation(*columns).statistic) for correlation in (pearsonr, spearmanr))
    return MetricValues({"pearson": pearson, "spearman": spearman, "mean": (pearson + spearman) / 2})


def _undefined(gold: np.ndarray, predicted: np.ndarray) -> str | None:
    """Return why the correlations are undefined, or None."""
    for values, verb in ((gold, "labelled"), (predicted, "predicted as")):
        non_finite = np.count_nonzero(~np.isfinite(values))
        if non_finite:
            return f"{non_finite} of {len(values)} rows are {verb} NaN or infinite"
        if np.ptp(values) <= ROUNDING * np.abs(values).max():
            return f"every row is {verb} {values[0]:.6g}"
    return None


METRICS = (Metric("pearson_and_spearman", "numbers", VALUES, "mean", pearson_and_spearman),)
