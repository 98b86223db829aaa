"""Metrics of classes: accuracy, F1 of one class, Matthews correlation. Labels are names or numbers, one a row."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ernie_paddle.metric import Measured, Metric


def accuracy(gold: Sequence[Any], predicted: Sequence[Any]) -> Measured:
    """The share of rows whose label is right."""
    # Imported where needed: scikit-learn takes longer to load than the rest of the command line.
    from sklearn.metrics import accuracy_score

    return Measured({"accuracy": float(accuracy_score(gold, predicted))}, one_class(gold, predicted))


def f1(gold: Sequence[Any], predicted: Sequence[Any], positive: Any) -> Measured:
    """F1 of the class `positive` against all others; 0.0 where that class is neither in gold nor predicted."""
    from sklearn.metrics import f1_score

    is_positive = [[label == positive for label in labels] for labels in (gold, predicted)]
    value = float(f1_score(*is_positive, pos_label=True, zero_division=0.0))
    if not any(any(rows) for rows in is_positive):
        return Measured({"f1": value}, f"no row is or is predicted as '{positive}'")
    return Measured({"f1": value}, one_class(gold, predicted))


def accuracy_and_f1(gold: Sequence[Any], predicted: Sequence[Any], positive: Any) -> Measured:
    """Accuracy, F1 of the class `positive` and the mean of the two, which is GLUE's score for MRPC and QQP."""
    figures = accuracy(gold, predicted).figures | (of_class := f1(gold, predicted, positive)).figures
    return Measured(figures | {"mean": (figures["accuracy"] + figures["f1"]) / 2}, of_class.degenerate)


def matthews_correlation(gold: Sequence[Any], predicted: Sequence[Any]) -> Measured:
    """Matthews correlation, for two classes or more; undefined where gold or predictions are of one class."""
    from sklearn.metrics import matthews_corrcoef

    if len(set(gold)) == 1:
        return Measured({"matthews_correlation": 0.0}, f"every row is labelled '{gold[0]}'")
    if reason := one_class(gold, predicted):
        return Measured({"matthews_correlation": 0.0}, reason)
    return Measured({"matthews_correlation": float(matthews_corrcoef(np.asarray(gold), np.asarray(predicted)))})


def one_class(gold: Sequence[Any], predicted: Sequence[Any]) -> str | None:
    """The reason why predictions are degenerate: all of one class, though the labels are of several."""
    if len(set(predicted)) == 1 < len(set(gold)):
        return f"every row is predicted as '{predicted[0]}'"
    return None


METRICS = (
    Metric("accuracy", "labels", ("accuracy",), "accuracy", accuracy),
    Metric("f1", "labels", ("f1",), "f1", f1, {"positive": ()}),
    Metric("accuracy_and_f1", "labels", ("accuracy", "f1", "mean"), "mean", accuracy_and_f1, {"positive": ()}),
    Metric("matthews_correlation", "labels", ("matthews_correlation",), "matthews_correlation", matthews_correlation),
)
