"""Metrics of classes: accuracy, F1 of a class, Matthews correlation. Labels are names or numbers, one per row."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ernie_paddle.metric import Metric, MetricValues


def accuracy(gold: Sequence[Any], predicted: Sequence[Any]) -> MetricValues:
    """Return the share of rows with the right label."""
    # A local import: scikit-learn takes longer to load than the rest of the command line.
    from sklearn.metrics import accuracy_score

    return MetricValues({"accuracy": float(accuracy_score(gold, predicted))}, one_class(gold, predicted))


def f1(gold: Sequence[Any], predicted: Sequence[Any], positive: Any) -> MetricValues:
    """Return F1 of the class `positive` against all others, 0.0 if that class is neither in gold nor predicted."""
    from sklearn.metrics import f1_score

    is_positive = [[label == positive for label in labels] for labels in (gold, predicted)]
    value = float(f1_score(*is_positive, pos_label=True, zero_division=0.0))
    if not any(any(rows) for rows in is_positive):
        return MetricValues({"f1": value}, f"no row is labelled or predicted as '{positive}'")
    return MetricValues({"f1": value}, one_class(gold, predicted))


def accuracy_and_f1(gold: Sequence[Any], predicted: Sequence[Any], positive: Any) -> MetricValues:
    """Return accuracy, F1 of the class `positive`, and their mean, which is GLUE's score for MRPC and QQP."""
    positive_f1 = f1(gold, predicted, positive)
    values = accuracy(gold, predicted).values | positive_f1.values
    return MetricValues(values | {"mean": (values["accuracy"] + values["f1"]) / 2}, positive_f1.degenerate)


def matthews_correlation(gold: Sequence[Any], predicted: Sequence[Any]) -> MetricValues:
    """Return the Matthews correlation of two or more classes. It is undefined if gold or predictions have one class."""
    from sklearn.metrics import matthews_corrcoef

    if len(set(gold)) == 1:
        return MetricValues({"matthews_correlation": 0.0}, f"every row is labelled '{gold[0]}'")
    if reason := one_class(gold, predicted):
        return MetricValues({"matthews_correlation": 0.0}, reason)
    return MetricValues({"matthews_correlation": float(matthews_corrcoef(np.asarray(gold), np.asarray(predicted)))})


def one_class(gold: Sequence[Any], predicted: Sequence[Any]) -> str | None:
    """Return why predictions are degenerate, if all are of one class though the labels are of several."""
    if len(set(predicted)) == 1 < len(set(gold)):
        return f"every row is predicted as '{predicted[0]}'"
    return None


METRICS = (
    Metric("accuracy", "labels", ("accuracy",), "accuracy", accuracy),
    Metric("f1", "labels", ("f1",), "f1", f1, {"positive": ()}),
    Metric("accuracy_and_f1", "labels", ("accuracy", "f1", "mean"), "mean", accuracy_and_f1, {"positive": ()}),
    Metric("matthews_correlation", "labels", ("matthews_correlation",), "matthews_correlation", matthews_correlation),
)
