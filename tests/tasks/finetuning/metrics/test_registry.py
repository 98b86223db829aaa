"""All metrics give 1 for perfect predictions, ignore the order of rows, are never NaN and name mistakes."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers import Scorer

from ernie_paddle.errors import UserError
from ernie_paddle.registry import Registry


class Case(NamedTuple):
    gold: list[Any]
    constant: Any  # a prediction that tells no row from another
    options: dict[str, Any]


LABELS = ["0", "1", "1", "0", "1", "1"]
TAGS = ("entity_f1", "tag_accuracy")
ENTITIES = [["B-PER", "I-PER", "O"], ["O", "B-LOC"], ["O"], ["B-ORG", "O", "O"]]
CASES = {
    "accuracy": Case(LABELS, "1", {}),
    "f1": Case(LABELS, "1", {"positive": "1"}),
    "accuracy_and_f1": Case(LABELS, "1", {"positive": "1"}),
    "matthews_correlation": Case(LABELS, "1", {}),
    "pearson_and_spearman": Case([0.0, 1.2, 5.0, 3.3, 3.3], 2.5, {}),
    "mrr": Case([1, 0, 0, 1, 0, 1], 0.7, {"queries": ["a", "a", "a", "b", "b", "b"]}),
    "accuracy_f1_and_mrr": Case([1, 0, 0, 1, 0, 1], (1, 0.7), {"queries": ["a", "a", "a", "b", "b", "b"]}),
    "entity_f1": Case(ENTITIES, None, {"scheme": "iob2"}),
    "tag_accuracy": Case(ENTITIES, None, {}),
    "em_and_f1": Case([["北京"], ["1949年", "1949"], ["天安门"]], "", {"language": "zh"}),
}


def perfect(name: str) -> list[Any]:
    gold = CASES[name].gold
    if name == "accuracy_f1_and_mrr":
        return [(relevant, float(relevant)) for relevant in gold]
    return [answers[-1] for answers in gold] if name == "em_and_f1" else list(gold)


def constant(name: str) -> list[Any]:
    case = CASES[name]
    return [["O"] * len(tags) for tags in case.gold] if name in TAGS else [case.constant] * len(case.gold)


def test_there_is_a_case_for_every_metric(registry: Registry) -> None:
    assert set(CASES) == set(registry.metrics.names())


@pytest.mark.parametrize("name", CASES)
def test_perfect_predictions_score_one_and_are_not_degenerate(score: Scorer, registry: Registry, name: str) -> None:
    case = CASES[name]
    scores = score(name, case.gold, perfect(name), **case.options)
    assert scores.values == pytest.approx(dict.fromkeys(registry.metrics.get(name).values, 1.0))
    assert scores.selection_value == pytest.approx(1.0)
    assert scores.degenerate is None
    assert scores.count == len(case.gold)


@pytest.mark.parametrize("name", CASES)
def test_constant_predictions_are_marked_and_score_below_perfect(score: Scorer, name: str) -> None:
    case = CASES[name]
    scores = score(name, case.gold, constant(name), **case.options)
    assert scores.degenerate
    assert all(math.isfinite(value) and 0 <= value < 1 for value in scores.values.values())


@pytest.mark.parametrize("name", CASES)
def test_the_order_of_rows_does_not_matter(score: Scorer, name: str) -> None:
    case = CASES[name]
    predicted = perfect(name)
    predicted[0], predicted[1] = predicted[1], predicted[0]
    if name in TAGS:
        predicted[:2] = [["O", "B-PER", "O"], ["O", "B-LOC"]]
    before = score(name, case.gold, predicted, **case.options)
    order = np.random.default_rng(1).permutation(len(case.gold)).tolist()
    options = dict(case.options)
    if "queries" in options:
        options["queries"] = [options["queries"][i] for i in order]
    after = score(name, [case.gold[i] for i in order], [predicted[i] for i in order], **options)
    assert after.values == pytest.approx(before.values)
    assert before.selection_value < 1


@pytest.mark.parametrize("name", CASES)
def test_nothing_to_score_is_degenerate(score: Scorer, name: str) -> None:
    scores = score(name, [], [], **CASES[name].options | ({"queries": []} if "queries" in CASES[name].options else {}))
    assert scores.degenerate == "there is nothing to score"
    assert set(scores.values.values()) == {0.0}


@pytest.mark.parametrize("name", CASES)
def test_every_row_needs_a_prediction(score: Scorer, name: str) -> None:
    case = CASES[name]
    with pytest.raises(ValueError, match=f"{len(case.gold)} gold labels and {len(case.gold) - 1} predictions"):
        score(name, case.gold, perfect(name)[:-1], **case.options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("f1", {}, "metric 'f1': option 'positive' is missing"),
        ("f1", {"positiv": "1"}, "metric 'f1': unknown option 'positiv'; did you mean 'positive'?"),
        ("accuracy", {"positive": "1"}, "metric 'accuracy': unknown option 'positive'; known: none"),
        ("em_and_f1", {"language": "cn"}, "metric 'em_and_f1': unknown language 'cn'; known: en, zh"),
        ("entity_f1", {"scheme": "iob"}, "metric 'entity_f1': unknown scheme 'iob'; did you mean 'iob2'?"),
        ("entity_f1", {}, "metric 'entity_f1': option 'scheme' is missing"),
    ],
)
def test_wrong_options_are_named(score: Scorer, name: str, options: dict[str, str], message: str) -> None:
    case = CASES[name]
    with pytest.raises(UserError) as caught:
        score(name, case.gold, perfect(name), **options)
    assert str(caught.value) == message


def test_an_unknown_metric_is_answered_with_the_nearest_name(score: Scorer) -> None:
    with pytest.raises(UserError, match="unknown metric 'mathews_correlation'; did you mean 'matthews_correlation'"):
        score("mathews_correlation", [], [])
