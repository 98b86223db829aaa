"""Classification metrics against their formulas."""

import math

import numpy as np
import pytest
from helpers import Scorer

from ernie_paddle.metric import Scores


@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_the_confusion_matrix(score: Scorer, seed: int) -> None:
    random = np.random.default_rng(seed)
    gold, predicted = (random.choice(["0", "1"], 40, p=p).tolist() for p in ([0.3, 0.7], [0.4, 0.6]))
    pairs = list(zip(gold, predicted, strict=True))
    tp, tn, fp, fn = (pairs.count(pair) for pair in (("1", "1"), ("0", "0"), ("0", "1"), ("1", "0")))
    accuracy, f1 = (tp + tn) / 40, 2 * tp / (2 * tp + fp + fn)
    both = score("accuracy_and_f1", gold, predicted, positive="1")
    assert both.values == pytest.approx({"accuracy": accuracy, "f1": f1, "mean": (accuracy + f1) / 2})
    assert both.selection_value == pytest.approx((accuracy + f1) / 2)
    assert score("f1", gold, predicted, positive="1").selection_value == pytest.approx(f1)
    assert score("f1", gold, predicted, positive="0").selection_value == pytest.approx(2 * tn / (2 * tn + fp + fn))
    matthews = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert score("matthews_correlation", gold, predicted).selection_value == pytest.approx(matthews)


@pytest.mark.parametrize("seed", range(3))
def test_several_classes_are_counted_by_their_formulas(score: Scorer, seed: int) -> None:
    """Gorodkin's R_K is the correlation of the one-hot matrices of gold and predicted classes."""
    random = np.random.default_rng(seed)
    gold = random.choice(4, 90, p=[0.1, 0.2, 0.3, 0.4])
    predicted = np.where(random.random(90) < 0.5, gold, random.choice(4, 90))
    one_hot, answered = (np.eye(4)[classes] - np.eye(4)[classes].mean(axis=0) for classes in (gold, predicted))
    r_k = (one_hot * answered).sum() / np.sqrt((one_hot**2).sum() * (answered**2).sum())
    names = [[f"class {c}" for c in classes] for classes in (gold, predicted)]
    assert score("matthews_correlation", *names).selection_value == pytest.approx(r_k)
    assert score("accuracy", *names).values == {"accuracy": pytest.approx((gold == predicted).mean())}
    both = (gold == 2) & (predicted == 2)
    f1 = 2 * both.sum() / ((gold == 2).sum() + (predicted == 2).sum())
    assert score("f1", *names, positive="class 2").selection_value == pytest.approx(f1)


def test_matthews_correlation_of_the_example_in_scikit_learns_documentation(score: Scorer) -> None:
    assert score("matthews_correlation", [1, 1, 1, -1], [1, -1, 1, 1]).selection_value == pytest.approx(-1 / 3)


def test_matthews_correlation_of_two_classes_is_pearsons(score: Scorer) -> None:
    gold, predicted = np.random.default_rng(3).integers(0, 2, (2, 60))
    expected = np.corrcoef(gold, predicted)[0, 1]
    assert score("matthews_correlation", gold.tolist(), predicted.tolist()).selection_value == pytest.approx(expected)


def test_the_majority_class_keeps_its_accuracy_and_is_marked(score: Scorer) -> None:
    scores = score("accuracy", ["1", "1", "0"], ["1", "1", "1"])
    assert scores == Scores({"accuracy": pytest.approx(2 / 3)}, "accuracy", 3, "every row is predicted as '1'")


def test_labels_of_one_class_leave_accuracy_defined_but_no_correlation(score: Scorer) -> None:
    assert score("accuracy", ["1", "1"], ["1", "1"]).degenerate is None
    scores = score("matthews_correlation", ["1", "1"], ["1", "0"])
    assert (scores.selection_value, scores.degenerate) == (0.0, "every row is labelled '1'")


def test_f1_of_a_class_that_never_occurs_is_zero_and_marked(score: Scorer) -> None:
    scores = score("f1", ["a", "b"], ["b", "a"], positive="1")
    assert (scores.selection_value, scores.degenerate) == (0.0, "no row is labelled or predicted as '1'")
