"""Correlations against numpy."""

import numpy as np
import pytest
from helpers import Scorer


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1; equal values get the mean of their ranks."""
    less, equal = (values[:, None] > values).sum(axis=1), (values[:, None] == values).sum(axis=1)
    return less + (equal + 1) / 2


@pytest.mark.parametrize("seed", range(5))
def test_correlations_are_numpys_of_values_and_of_ranks(score: Scorer, seed: int) -> None:
    random = np.random.default_rng(seed)
    gold = random.integers(0, 6, 50).astype(float)  # with ties
    predicted = (gold + random.normal(0, 2, 50)).round(1)
    scores = score("pearson_and_spearman", gold, predicted)
    pearson = np.corrcoef(gold, predicted)[0, 1]
    spearman = np.corrcoef(mean_ranks(gold), mean_ranks(predicted))[0, 1]
    assert scores.values == pytest.approx({"pearson": pearson, "spearman": spearman, "mean": (pearson + spearman) / 2})
    assert scores.selection_metric == "mean"


def test_scale_and_offset_change_nothing_and_a_curve_only_pearson(score: Scorer) -> None:
    gold = np.linspace(0, 5, 30)
    assert score("pearson_and_spearman", gold, 1000 - 3 * gold).values == pytest.approx(
        {"pearson": -1.0, "spearman": -1.0, "mean": -1.0}
    )
    curved = score("pearson_and_spearman", gold, gold**5).values
    assert curved["spearman"] == pytest.approx(1)
    assert curved["pearson"] < 0.9


@pytest.mark.parametrize(
    ("predicted", "reason"),
    [
        (np.float32(2.5) + np.float32(1e-7) * np.arange(4, dtype=np.float32), "every row is predicted as 2.5"),
        ([0.0, 0.0, 0.0, 0.0], "every row is predicted as 0"),
        ([5000.0, 5000.001, 5000.0, 5000.0], "every row is predicted as 5000"),
        ([1.0, float("nan"), 2.0, float("inf")], "2 of 4 rows are predicted as NaN or infinite"),
    ],
)
def test_predictions_without_a_correlation_are_marked(score: Scorer, predicted: list[float], reason: str) -> None:
    scores = score("pearson_and_spearman", [0.0, 1.0, 2.0, 5.0], predicted)
    assert (set(scores.values.values()), scores.degenerate) == ({0.0}, reason)


def test_predictions_that_differ_little_but_by_more_than_rounding_have_their_correlation(score: Scorer) -> None:
    for step in (1e-5, 1e-2):
        scores = score("pearson_and_spearman", [0.0, 1.0, 2.0, 5.0], [2.5, 2.5 + step, 2.5 + 2 * step, 2.5 + 5 * step])
        assert scores.degenerate is None and scores.values["pearson"] == pytest.approx(1)


def test_constant_labels_and_a_single_row_are_marked(score: Scorer) -> None:
    assert score("pearson_and_spearman", [3.0, 3.0], [1.0, 2.0]).degenerate == "every row is labelled 3"
    assert score("pearson_and_spearman", [3.0], [1.0]).degenerate == "every row is labelled 3"
