"""Metrics of numbers: Pearson and Spearman correlation."""

from collections.abc import Sequence

import numpy as np

from ernie_paddle.metric import Measured, Metric

FIGURES = ("pearson", "spearman", "mean")
ROUNDING = 1e-6  # of float32: a model that gives every row the same number differs by as much between batches


def pearson_and_spearman(gold: Sequence[float], predicted: Sequence[float]) -> Measured:
    """Pearson's and Spearman's correlation and the mean of the two, which is GLUE's score for STS-B.

    Both are undefined where gold or predictions are constant (but for rounding) or not finite.
    """
    # Imported where needed: scipy.stats takes a second to load.
    from scipy.stats import pearsonr, spearmanr

    columns = [np.asarray(values, np.float64) for values in (gold, predicted)]
    if reason := _undefined(*columns):
        return Measured(dict.fromkeys(FIGURES, 0.0), reason)
    pearson, spearman = (float(correlation(*columns).statistic) for correlation in (pearsonr, spearmanr))
    return Measured({"pearson": pearson, "spearman": spearman, "mean": (pearson + spearman) / 2})


def _undefined(gold: np.ndarray, predicted: np.ndarray) -> str | None:
    for values, rows_are in ((gold, "labelled"), (predicted, "predicted as")):
        wrong = np.count_nonzero(~np.isfinite(values))
        if wrong:
            return f"{wrong} of {len(values)} rows are {rows_are} NaN or infinite"
        if np.ptp(values) <= ROUNDING * np.abs(values).max():
            return f"every row is {rows_are} {values[0]:.6g}"
    return None


METRICS = (Metric("pearson_and_spearman", "numbers", FIGURES, "mean", pearson_and_spearman),)
