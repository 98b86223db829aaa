"""What the formats make of files that are right, or that can be put right."""

import json
from pathlib import Path
from typing import Any

import pytest
from reading_support import LABELS, QUESTION, read, refused, squad

from ernie_paddle.errors import UserError


def test_tabs_within_a_text_are_taken_where_the_recipe_says_so(tmp_path: Path) -> None:
    content = "sentence\tlabel\nno tab\tno\na\tb\t\tyes\n"
    reading: dict[str, Any] = {"format": "tsv", "columns": {"text_a": "sentence"}}
    with pytest.raises(UserError) as error:
        read(tmp_path, content, reading, LABELS)
    refused(error, ["line 3", "4 fields, expected 2"])
    one = read(tmp_path, content, {**reading, "rest": "text_a"}, LABELS)
    assert [(example.text_a, example.label) for example in one.examples] == [("no tab", "no"), ("a\tb\t", "yes")]


@pytest.mark.parametrize(
    ("start", "corrected"),
    [(0, {}), (4, {}), (1, {0}), (3, {4}), (-7, {0}), (99, {4})],
)
def test_answers_are_taken_where_they_are_nearest_to_their_offset(
    tmp_path: Path, start: int, corrected: set[int]
) -> None:
    value = squad({**QUESTION, "answers": [{"text": "北京", "answer_start": start}]}, "北京就是北京。")
    one = read(tmp_path, json.dumps(value), {"format": "squad"})
    (answer,) = one.examples[0].answers
    assert {answer.start} == (corrected or {start})
    assert sum(tally.count for tally in one.report.corrected.values()) == len(corrected)


def test_answers_with_blanks_around_them_are_found_without(tmp_path: Path) -> None:
    one = read(
        tmp_path,
        json.dumps(squad({**QUESTION, "answers": [{"text": " 首都 ", "answer_start": 2}]})),
        {"format": "squad"},
    )
    (answer,) = one.examples[0].answers
    assert (answer.text, answer.start) == ("首都", 3)


@pytest.mark.parametrize("separator", ["\t", " "])
def test_columns_of_conll(tmp_path: Path, separator: str) -> None:
    lines = ["", "EU NNP B-ORG", "rejects VBZ O", "", "", "Peter NNP B-PER"]
    content = "\r\n".join(line.replace(" ", separator) for line in lines)
    one = read(tmp_path, content, {"format": "tagged_columns", "separator": separator}, ["B-ORG", "B-PER", "O"])
    taken = [(example.tokens, example.tags) for example in one.examples]
    assert taken == [(("EU", "rejects"), ("B-ORG", "O")), (("Peter",), ("B-PER",))]
    assert [example.place.split()[-1] for example in one.examples] == ["2", "6"]
