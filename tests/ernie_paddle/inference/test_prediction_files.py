"""Files of predictions: a row for each example, in order, or the predicted texts by id."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ernie_paddle.finetuning_task import Prediction, Signature
from ernie_paddle.inference.prediction_files import (
    prediction_lines,
    prediction_suffix,
    predictions_as_text,
    write_predictions,
)


@dataclass(frozen=True)
class Example:
    id: str


def signature(*labels: str) -> Signature:
    return Signature(task="any", max_length=8, labels=labels or None)


EXAMPLES = [Example("7"), Example("3")]


@pytest.mark.parametrize(
    ("signature", "predictions", "lines"),
    [
        (
            signature("x", "y"),
            [Prediction("y", [0.25, 0.75]), Prediction("x", [2 / 3, 1 / 3])],
            ["index\tprediction\tx\ty", "7\ty\t0.250000\t0.750000", "3\tx\t0.666667\t0.333333"],
        ),
        (signature("x", "y"), [Prediction("y"), Prediction("x")], ["index\tprediction", "7\ty", "3\tx"]),
        (
            signature(),
            [Prediction(2, [0.1, 0.2, 0.7]), Prediction(0, [0.6, 0.4])],
            [
                "index\tprediction\tchoice 0\tchoice 1\tchoice 2",
                "7\t2\t0.100000\t0.200000\t0.700000",
                "3\t0\t0.600000\t0.400000\t",
            ],
        ),
        (signature(), [Prediction(2.5), Prediction(1 / 3)], ["index\tprediction", "7\t2.5", "3\t0.333333"]),
        (signature("B", "O"), [Prediction(("B", "O")), Prediction(())], ["index\tprediction", "7\tB O", "3\t"]),
    ],
)
def test_a_table_has_a_row_an_example_in_order(
    tmp_path: Path, signature: Signature, predictions: list[Prediction], lines: list[str]
) -> None:
    assert prediction_lines(EXAMPLES, predictions, signature) == lines
    path = write_predictions(tmp_path / "test_v1.0", EXAMPLES, predictions, signature)
    assert path == tmp_path / "test_v1.0.tsv"
    assert (
        path.read_text()
        == predictions_as_text(EXAMPLES, predictions, signature)
        == "".join(f"{line}\n" for line in lines)
    )


def test_texts_are_written_by_id_as_they_are(tmp_path: Path) -> None:
    predictions = [Prediction("北京\t“”"), Prediction("")]
    path = write_predictions(tmp_path / "dev", EXAMPLES, predictions, signature())
    assert path == tmp_path / "dev.json" and "北京" in path.read_text()
    assert list(json.loads(path.read_text()).items()) == [("7", "北京\t“”"), ("3", "")]


@pytest.mark.parametrize(
    ("values", "labels", "suffix"),
    [(["a", "b"], (), ".json"), (["a", "b"], ("a", "b"), ".tsv"), ([1, 0], (), ".tsv"), ([0.5], (), ".tsv")],
)
def test_predictions_that_are_no_free_text_go_into_a_table(
    values: list[Any], labels: tuple[str, ...], suffix: str
) -> None:
    assert prediction_suffix([Prediction(value) for value in values], signature(*labels)) == suffix


def test_without_examples_there_is_a_header_alone() -> None:
    for described in (signature("x", "y"), signature()):
        assert prediction_lines([], [], described) == ["index\tprediction"]


def test_every_example_needs_a_prediction() -> None:
    for predictions in ([Prediction("a")], [Prediction(1)]):
        with pytest.raises(ValueError, match="shorter"):
            predictions_as_text(EXAMPLES, predictions, signature())
