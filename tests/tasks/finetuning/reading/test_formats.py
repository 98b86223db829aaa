"""What the formats read from correct files, and from files that they can correct."""

import json
from itertools import pairwise
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
    loaded = read(tmp_path, content, {**reading, "rest": "text_a"}, LABELS)
    assert [(example.text_a, example.label) for example in loaded.examples] == [("no tab", "no"), ("a\tb\t", "yes")]


def test_the_second_text_may_take_the_tabs_and_what_follows_it_stays_in_its_column(tmp_path: Path) -> None:
    content = "text_a\ttext_b\tlabel\na\tb\tno\na\tb\t\tc\tyes\n"
    reading = {"format": "tsv", "columns": {"text_b": "text_b"}, "rest": "text_b"}
    found = read(tmp_path, content, reading, LABELS).examples
    assert [(example.text_a, example.text_b, example.label) for example in found] == [
        ("a", "b", "no"),
        ("a", "b\t\tc", "yes"),
    ]


@pytest.mark.parametrize(
    ("start", "corrected"),
    [(0, {}), (4, {}), (1, {0}), (3, {4}), (-7, {0}), (99, {4})],
)
def test_answers_are_taken_where_they_are_nearest_to_their_offset(
    tmp_path: Path, start: int, corrected: set[int]
) -> None:
    value = squad({**QUESTION, "answers": [{"text": "北京", "answer_start": start}]}, "北京就是北京。")
    loaded = read(tmp_path, json.dumps(value), {"format": "squad"})
    (answer,) = loaded.examples[0].answers
    assert {answer.start} == (corrected or {start})
    assert sum(tally.count for tally in loaded.report.corrected.values()) == len(corrected)


def test_a_question_with_an_answer_out_of_its_context_is_named_where_it_is_kept(tmp_path: Path) -> None:
    found, lost = {"text": "北京", "answer_start": 0}, {"text": "南京", "answer_start": 0}
    loaded = read(tmp_path, json.dumps(squad({**QUESTION, "answers": [lost, lost, found]})), {"format": "squad"})
    assert [answer.start for answer in loaded.examples[0].answers] == [None, None, 0]
    assert loaded.report.lines()[1:] == [
        f"kept: 1 with an answer that is not in its context ({tmp_path}/train.json question Q1)"
    ]


def test_answers_with_blanks_around_them_are_found_without(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        json.dumps(squad({**QUESTION, "answers": [{"text": " 首都 ", "answer_start": 2}]})),
        {"format": "squad"},
    )
    (answer,) = loaded.examples[0].answers
    assert (answer.text, answer.start) == ("首都", 3)


@pytest.mark.parametrize("separator", ["\t", " "])
@pytest.mark.parametrize("between", ["", " ", "\t", " \t  "])
def test_columns_of_conll(tmp_path: Path, separator: str, between: str) -> None:
    lines = ["", "EU NNP B-ORG", "rejects VBZ O", "", "", "Peter NNP B-PER"]
    content = "\r\n".join(line.replace(" ", separator) + between for line in lines)
    loaded = read(tmp_path, content, {"format": "tagged_columns", "separator": separator}, ["B-ORG", "B-PER", "O"])
    taken = [(example.tokens, example.tags) for example in loaded.examples]
    assert taken == [(("EU", "rejects"), ("B-ORG", "O")), (("Peter",), ("B-PER",))]
    assert loaded.report.rows == loaded.report.examples == 2
    assert [example.place.split()[-1] for example in loaded.examples] == ["2", "6"]


def test_wide_blanks_are_tokens_of_columns(tmp_path: Path) -> None:
    loaded = read(tmp_path, "\u3000\tO\n京\tB-LOC\n", {"format": "tagged_columns"}, ["B-LOC", "O"])
    assert [(example.tokens, example.tags) for example in loaded.examples] == [(("\u3000", "京"), ("O", "B-LOC"))]


def test_candidates_in_lines_of_json_are_grouped_by_their_key(tmp_path: Path) -> None:
    records = [{"sentence1": "a", "label": "no", "qid": number} for number in (7, 7, "x")]
    content = "\n".join(map(json.dumps, records))
    loaded = read(tmp_path, content, {"format": "json_lines", "keys": {"group": "qid"}}, LABELS)
    assert [example.group for example in loaded.examples] == ["7", "7", "x"]


@pytest.mark.parametrize(
    ("text", "word", "given", "found", "corrected"),
    [
        ("它说它好", "它", 0, 0, 0),
        ("它说它好", "它", 2, 2, 0),
        ("它说他好", "它", 3, 0, 1),
        ("它说他好", "它", -4, 0, 1),  # as Python counts, it would be there
        ("我说它", "它", -1, 2, 1),
        ("它说它好", "它", 1, None, 0),  # either one may be meant
        ("它说它好", "", 0, None, 0),
    ],
)
def test_a_word_of_a_text_is_the_one_at_its_offset_or_the_only_one(
    tmp_path: Path, text: str, word: str, given: int, found: int | None, corrected: int
) -> None:
    pronoun = {"span1_text": "说", "span1_index": 1, "span2_text": word, "span2_index": given}
    record = {"text": text, "target": pronoun, "label": "no"}
    if found is None:
        with pytest.raises(UserError, match="span2_text"):
            read(tmp_path, json.dumps(record), {"format": "wsc"}, LABELS)
        return
    loaded = read(tmp_path, json.dumps(record), {"format": "wsc"}, LABELS)
    assert (loaded.examples[0].pronoun.text, loaded.examples[0].pronoun.start) == (word, found)
    assert sum(tally.count for tally in loaded.report.corrected.values()) == corrected


WSC = {"text": "甲见乙", "target": {"span1_text": "甲", "span1_index": 0, "span2_text": "乙", "span2_index": 2}}
ONE_OF_EACH = {  # a file with the labels no, ? and yes, in this order
    "tsv": "text_a\tlabel\na\tno\nb\t?\nc\tyes\n",
    "json_lines": "".join(json.dumps({"sentence1": "a", "label": label}) + "\n" for label in ("no", "?", "yes")),
    "wsc": "".join(json.dumps({**WSC, "label": label}) + "\n" for label in ("no", "?", "yes")),
}


@pytest.mark.parametrize("format", ONE_OF_EACH)
def test_rows_with_dropped_labels_are_skipped_and_counted_and_others_renamed(tmp_path: Path, format: str) -> None:
    content = ONE_OF_EACH[format].replace("yes", "ja")
    loaded = read(tmp_path, content, {"format": format}, LABELS, drop_labels=["?"], label_map={"ja": "yes"})
    assert [(example.id, example.label) for example in loaded.examples] == [("0", "no"), ("2", "yes")]
    assert {what: tally.count for what, tally in loaded.report.skipped.items()} == {"label '?'": 1}
    assert loaded.report.rows == 3
    with pytest.raises(UserError, match=r"label '\?' is not among"):
        read(tmp_path, content, {"format": format}, LABELS, label_map={"ja": "yes"})


@pytest.mark.parametrize("rows", [1, 3, 7, 10, 99])
def test_a_number_of_rows_is_the_first_ones_or_spread_over_the_file(tmp_path: Path, rows: int) -> None:
    content = "text_a\tlabel\n" + "".join(f"text {number}\t{LABELS[number >= 8]}\n" for number in range(10))

    def numbers(**keys: Any) -> list[int]:
        found = read(tmp_path, content, {"format": "tsv"}, LABELS, train_rows=rows, **keys)
        return [int(example.text_a.split()[1]) for example in found.examples]

    assert numbers() == list(range(min(rows, 10)))
    spread = numbers(row_choice="spread")
    assert len(set(spread)) == min(rows, 10) and spread[0] == 0
    gaps = {after - before for before, after in pairwise([*spread, 10])}
    assert max(gaps) - min(gaps) <= 1
