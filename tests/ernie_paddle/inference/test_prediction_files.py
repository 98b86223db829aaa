"""Files of predictions: a row for each input, in order, the predicted texts by id, or JSON lines in words."""

import json
from collections.abc import Sequence
from io import StringIO
from itertools import islice

import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Prediction, Signature
from ernie_paddle.inference.prediction_files import (
    IN_MEMORY,
    PredictionFormat,
    TableWriter,
    open_writer,
    score_names,
    usual_format,
)
from ernie_paddle.inputs import BadRow
from ernie_paddle.registry import load_plugins
from tasks.finetuning.classification import LabelPrediction
from tasks.finetuning.multiple_choice import ChoicePrediction

TASKS = load_plugins().finetuning_tasks
BAD = BadRow("9", "rows.tsv line 11: a truncated line")


def text_of(format: PredictionFormat, names: Sequence[str] | None, *predictions: Prediction | BadRow) -> str:
    """Write predictions with the ids 7, 3 and 9."""
    file = StringIO()
    writer = open_writer(file, format, names)
    for id, prediction in zip(islice("739", len(predictions)), predictions, strict=True):
        writer.write(id, prediction)
    writer.close()
    return file.getvalue()


@pytest.mark.parametrize(
    ("names", "predictions", "lines"),
    [
        (
            ("x", "y"),
            [Prediction("y", [0.25, 0.75]), Prediction("x", [2 / 3, 1 / 3]), BAD],
            ["index\tprediction\tx\ty", "7\ty\t0.250000\t0.750000", "3\tx\t0.666667\t0.333333", "9\t\t\t"],
        ),
        ((), [Prediction("y"), Prediction("x"), BAD], ["index\tprediction", "7\ty", "3\tx", "9\t"]),
        (
            None,
            [Prediction(2, [0.1, 0.2, 0.7]), BAD, Prediction(0, [0.6, 0.4])],
            [
                "index\tprediction\tchoice 0\tchoice 1\tchoice 2",
                "7\t2\t0.100000\t0.200000\t0.700000",
                "3\t\t\t\t",
                "9\t0\t0.600000\t0.400000\t",
            ],
        ),
        ((), [Prediction(2.5), Prediction(1 / 3)], ["index\tprediction", "7\t2.5", "3\t0.333333"]),
        ((), [Prediction(("B", "O")), Prediction(())], ["index\tprediction", "7\tB O", "3\t"]),
        (("x", "y"), [], ["index\tprediction\tx\ty"]),
        (None, [], ["index\tprediction"]),
    ],
)
def test_a_table_has_a_row_an_input_in_order(
    names: Sequence[str] | None, predictions: list[Prediction | BadRow], lines: list[str]
) -> None:
    assert text_of("tsv", names, *predictions) == "".join(f"{line}\n" for line in lines)


def test_rows_that_wait_for_their_header_may_be_many() -> None:
    file = StringIO()
    writer = TableWriter(file, None)
    count = IN_MEMORY // 10
    for number in range(count):
        writer.write(str(number), Prediction(0, [1.0] * (1 + number % 4)))
    assert file.getvalue() == ""
    writer.close()
    lines = file.getvalue().splitlines()
    assert len(lines) == count + 1 and {line.count("\t") for line in lines} == {5}


def test_texts_are_written_by_id_as_they_are() -> None:
    text = text_of("json", (), Prediction("北京\t“”"), Prediction(""), BAD)
    assert "北京" in text and list(json.loads(text).items()) == [("7", "北京\t“”"), ("3", ""), ("9", None)]
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"
    assert text_of("json", ()) == "{}\n"


def test_an_object_of_texts_holds_no_id_twice() -> None:
    writer = open_writer(StringIO(), "json", ())
    writer.write("a", Prediction("x"))
    with pytest.raises(UserError, match="id 'a' occurs twice"):
        writer.write("a", Prediction("y"))


def test_json_lines_have_predictions_in_words_and_errors_in_their_places() -> None:
    label = LabelPrediction("no", (0.75, 0.25), ("no", "yes"))
    choice = ChoicePrediction(1, (0.5, 0.5), ("here", "there"))
    lines = [json.loads(line) for line in text_of("jsonl", (), label, choice, BAD).splitlines()]
    assert lines == [
        {"index": "7", "prediction": "no", "probability": 0.75, "probabilities": {"no": 0.75, "yes": 0.25}},
        {
            "index": "3",
            "prediction": "there",
            "number": 1,
            "probability": 0.5,
            "probabilities": [{"choice": "here", "probability": 0.5}, {"choice": "there", "probability": 0.5}],
        },
        {"index": "9", "error": "rows.tsv line 11: a truncated line"},
    ]


@pytest.mark.parametrize(
    ("task", "format", "names"),
    [
        ("classification", "tsv", ("x", "y")),
        ("regression", "tsv", ()),
        ("sequence_labelling", "tsv", ()),
        ("reading_comprehension", "json", ()),
        ("multiple_choice", "tsv", None),
        ("cloze", "tsv", None),
        ("pronoun_resolution", "tsv", ("x", "y")),
    ],
)
def test_each_task_has_its_format_and_columns(task: str, format: str, names: Sequence[str] | None) -> None:
    finetuning_task = TASKS.get(task)
    labels = ("x", "y") if finetuning_task.has_labels else None
    assert usual_format(finetuning_task) == format
    assert score_names(finetuning_task, Signature(task=task, max_length=8, labels=labels)) == names
