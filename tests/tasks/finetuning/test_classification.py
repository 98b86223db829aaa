"""Classification: the order of the classes, and the scores that ranking metrics get."""

from fractions import Fraction

import numpy as np
import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Encoded, ExampleSet, Prediction, Signature
from ernie_paddle.registry import load_plugins
from tasks.finetuning.classification import Classification
from tasks.finetuning.reading.examples import TextExample

TASK, METRICS = Classification(), load_plugins().metrics


def signature(*labels: str) -> Signature:
    return Signature(task="classification", labels=labels, max_length=16)


def example(number: int, label: str | None, group: str | None = None) -> TextExample:
    return TextExample(str(number), f"row {number}", "a", None, label, group)


def test_a_prediction_is_the_likeliest_label_with_the_probabilities_in_the_order_of_labels() -> None:
    labels, probabilities = ("x", "y", "z"), np.random.default_rng(1).dirichlet([1, 1, 1], 30)
    scores = [row[None] for row in probabilities]
    predictions = TASK.predictions([example(i, None) for i in range(30)], Encoded(None), scores, signature(*labels))  # type: ignore[arg-type]
    assert [prediction.scores for prediction in predictions] == probabilities.tolist()
    assert [prediction.value for prediction in predictions] == [
        max(zip(row, labels, strict=True))[1] for row in probabilities
    ]
    assert {prediction.value for prediction in predictions} == set(labels)


@pytest.mark.parametrize("labels", [("0", "1"), ("1", "0"), ("no", "may be", "yes")])
def test_candidates_are_ranked_by_the_probability_of_the_last_label(labels: tuple[str, ...]) -> None:
    """Rows of questions are mixed; accuracy and F1 count what is predicted, which need not be what is ranked first."""
    random = np.random.default_rng(2)
    probabilities = random.dirichlet([1] * len(labels), 40)
    groups, gold = random.integers(0, 9, 40).astype(str), random.choice(labels, 40)
    examples = [example(i, str(gold[i]), str(groups[i])) for i in range(40)]
    predictions = [Prediction(labels[row.argmax()], row.tolist()) for row in probabilities]

    reciprocal, precision = [], []
    for group in set(groups):
        rows = sorted(np.flatnonzero(groups == group), key=lambda row: -probabilities[row, -1])
        ranks = [rank for rank, row in enumerate(rows, 1) if gold[row] == labels[-1]]
        reciprocal.append(Fraction(1, ranks[0]) if ranks else 0)
        precision.append(sum(Fraction(n, rank) for n, rank in enumerate(ranks, 1)) / max(len(ranks), 1))
    is_relevant, taken = gold == labels[-1], probabilities.argmax(axis=1) == len(labels) - 1
    f1 = 2 * (is_relevant & taken).sum() / (is_relevant.sum() + taken.sum())
    expected = {
        "mrr": {"mrr": float(sum(reciprocal) / len(reciprocal)), "map": float(sum(precision) / len(precision))},
        "accuracy_f1_and_mrr": {
            "mrr": float(sum(reciprocal) / len(reciprocal)),
            "f1": f1,
            "accuracy": (is_relevant == taken).mean(),
        },
    }
    for name, values in expected.items():
        scores = TASK.score(METRICS.get(name), {}, examples, predictions, signature(*labels))
        assert scores.values == pytest.approx(values), name
        assert scores.selection_value == scores.values["mrr"] and scores.count == 40


def test_the_positive_class_is_the_last_label_unless_it_is_named() -> None:
    examples = [example(i, label) for i, label in enumerate("abbab")]
    predictions = [Prediction(label) for label in "abbba"]
    f1 = {
        name: TASK.score(METRICS.get("f1"), {"positive": name}, examples, predictions, signature("a", "b"))
        for name in "ab"
    }
    assert {name: scores.selection_value for name, scores in f1.items()} == pytest.approx(
        {"a": 2 * 1 / (2 + 2), "b": 2 * 2 / (3 + 3)}
    )
    assert TASK.score(METRICS.get("f1"), {}, examples, predictions, signature("a", "b")) == f1["b"]


def test_a_candidate_without_a_question_is_named_for_rankings_alone() -> None:
    labelled = ExampleSet("dev", [example(0, "y", "q"), example(1, "x"), example(2, "y")])
    for name in ("mrr", "accuracy_f1_and_mrr"):
        with pytest.raises(UserError, match=f"row 1: metric '{name}' ranks"):
            TASK.check_gold(METRICS.get(name), labelled)
        TASK.check_gold(METRICS.get(name), ExampleSet("dev", labelled.examples[:1]))
    TASK.check_gold(METRICS.get("accuracy"), labelled)
