"""Rankings against textbook examples, scikit-learn and a plain recount."""

import numpy as np
import pytest
from helpers import Scorer
from sklearn.metrics import average_precision_score


def ranked(*queries: list[int]) -> tuple[list[int], list[float], list[int]]:
    """Return the candidates of queries by rank: relevance, scores, queries."""
    gold = [relevant for query in queries for relevant in query]
    scores = [-float(rank) for query in queries for rank in range(len(query))]
    return gold, scores, [number for number, query in enumerate(queries) for _ in query]


def test_mrr_of_the_textbook_example(score: Scorer) -> None:
    gold, predicted, queries = ranked([0, 0, 1], [0, 1, 0], [1, 0, 0])
    assert score("mrr", gold, predicted, queries=queries).values["mrr"] == pytest.approx((1 / 3 + 1 / 2 + 1) / 3)


def test_map_of_the_textbook_example(score: Scorer) -> None:
    """The example of Introduction to Information Retrieval, which rounds the two precisions to 0.62 and 0.44."""
    first, second = [1, 0, 1, 0, 0, 1, 0, 0, 1, 1], [0, 1, 0, 0, 1, 0, 1, 0, 0, 0]
    gold, predicted, queries = ranked(first, second)
    precisions = (1 / 1 + 2 / 3 + 3 / 6 + 4 / 9 + 5 / 10) / 5, (1 / 2 + 2 / 5 + 3 / 7) / 3
    found = score("mrr", gold, predicted, queries=queries).values["map"]
    assert found == pytest.approx(sum(precisions) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_each_query_alone(score: Scorer, seed: int) -> None:
    random = np.random.default_rng(seed)
    queries = random.permutation(np.repeat(np.arange(12), random.integers(1, 9, 12)))  # rows of queries are mixed
    gold, predicted = random.integers(0, 2, len(queries)), random.permutation(len(queries)) / 7.0
    reciprocal, precision = [], []
    for query in range(12):
        rows = np.flatnonzero(queries == query)
        order = rows[np.argsort(-predicted[rows])]
        ranks = np.flatnonzero(gold[order]) + 1
        reciprocal.append(1 / ranks[0] if len(ranks) else 0.0)
        precision.append(average_precision_score(gold[rows], predicted[rows]) if len(ranks) else 0.0)
    scores = score("mrr", gold, predicted, queries=queries.tolist())
    assert scores.values == pytest.approx({"mrr": np.mean(reciprocal), "map": np.mean(precision)})
    assert scores.count == len(queries) and scores.selection_metric == "mrr"

    taken = random.integers(0, 2, len(queries))
    judged = score("accuracy_f1_and_mrr", gold, list(zip(taken, predicted, strict=True)), queries=queries.tolist())
    f1 = 2 * (gold & taken).sum() / (gold.sum() + taken.sum())
    expected = {"mrr": np.mean(reciprocal), "f1": f1, "accuracy": (gold == taken).mean()}
    assert judged.values == pytest.approx(expected) and judged.selection_metric == "mrr"


def test_equal_scores_gain_nothing(score: Scorer) -> None:
    scores = score("mrr", [1, 0, 0, 1], [0.5, 0.5, 0.5, 0.9], queries=["a", "a", "a", "b"])
    assert scores.values == pytest.approx({"mrr": (1 / 3 + 1) / 2, "map": (1 / 3 + 1) / 2})


def test_only_scores_that_tell_no_candidate_of_any_question_from_another_are_marked(score: Scorer) -> None:
    reason = "all candidates of each query have the same score"
    for predicted, queries, said in (
        ([0.5, 0.5, 0.9, 0.9], "aabb", reason),
        ([0.5, 0.5, 0.9, 0.8], "aabb", None),
        ([0.5, 0.5, 0.5, 0.5], "abcd", None),  # each question has one candidate: nothing could be told apart
    ):
        assert score("mrr", [1, 0, 1, 0], predicted, queries=list(queries)).degenerate == said
    judged = [(1, 0.5), (1, 0.4)]
    scores = score("accuracy_f1_and_mrr", [1, 0], judged, queries=["a", "a"])
    assert scores.degenerate == "every row is predicted as '1'"


def test_scores_that_are_not_finite_are_marked(score: Scorer) -> None:
    scores = score("mrr", [1, 0], [float("nan"), 1.0], queries=["a", "a"])
    assert (scores.selection_value, scores.degenerate) == (0.0, "1 of 2 scores are NaN or infinite")


def test_every_candidate_needs_a_query(score: Scorer) -> None:
    with pytest.raises(ValueError, match="2 candidates, but 1 queries"):
        score("mrr", [1, 0], [0.1, 0.2], queries=["a"])
