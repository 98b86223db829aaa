"""A mistake in a file is reported on one line with the file, the place and what to do."""

import json
from pathlib import Path
from typing import Any

import pytest
from reading_support import LABELS, QUESTION, read, refused, squad

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from tasks.finetuning.reading.data import DataSettings, read_sets

PAIRS = {"columns": {"text_b": "text_b"}}


@pytest.mark.parametrize(
    ("content", "reading", "words"),
    [
        ("", {}, ["train.json", "empty file"]),
        ("text_a\tlabel\n", {}, ["train.json", "no examples in the train set", "no rows"]),
        ("text_a\tlabel\n\n", {}, ["no examples", "1 for an empty line"]),
        ("text\tlabel\na\tno\n", {}, ["train.json line 1", "no column 'text_a'", "text"]),
        ("text_a\tlabel\na\tno\n", PAIRS, ["train.json line 1", "no column 'text_b'", "did you mean 'text_a'"]),
        ("text_a\tlabel\na\tno\nb\tNo\n", {}, ["train.json line 3", "label 'No'", "no, yes", "label_map"]),
        ("text_a\tlabel\na\tno\nb\tc\tno\n", {}, ["train.json line 3", "3 fields, expected 2", "tab"]),
        ("text_a\tlabel\na\tno\nb\n", {}, ["train.json line 3", "1 fields, expected 2", "a truncated line"]),
        ("text_a\tlabel\na\tyess\n", {}, ["train.json line 2", "label 'yess'", "did you mean 'yes'"]),
        ("text_a\tlabel\na\t\n", {}, ["train.json line 2", "label ''"]),
        ("text_a\tlabel\na\tno\n", {"fields": [4, 6]}, ["train.json line 1", "2 columns, expected 4 or 6"]),
        (b"text_a\tlabel\na\tno\n\xff\tno\n", {}, ["train.json line 3", "not UTF-8"]),
        ("a\tno\n", {"header": False, "fields": [4], "columns": {"text_a": 3, "label": 1}}, ["line 1", "expected 4"]),
        ("text_a\tlabel\na\tno\n", {"columns": {"text_a": 5}}, ["line 1", "no column 5", "columns are 0 to 1"]),
    ],
)
def test_tables(tmp_path: Path, content: str | bytes, reading: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, content, {"format": "tsv", **reading}, LABELS)
    refused(error, words)


@pytest.mark.parametrize("score", ["high", "nan", "inf", ""])
def test_scores_are_numbers(tmp_path: Path, score: str) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, f"text_a\tlabel\na\t{score}\n", {"format": "tsv"})
    refused(error, ["train.json line 2", f"'{score}' is not a number"])


def test_incomplete_rows_without_labels_are_never_skipped(tmp_path: Path) -> None:
    reading = {"format": "tsv", "columns": {"text_a": "text_a", "text_b": "text_b"}, "skip_incomplete": True}
    content = "text_a\ttext_b\na\tb\nc\n"
    with pytest.raises(UserError) as error:
        read(tmp_path, content, reading, labelled=[])
    refused(error, ["line 3", "1 fields"])


LINE = {"sentence1": "a", "label": "no"}
WORDS = {"span1_text": "手机", "span1_index": 1, "span2_text": "它", "span2_index": 5}
BLANKS = {"content": ["去#idiom000001#吧"], "candidates": ["百尺竿头", "随波逐流"]}


@pytest.mark.parametrize(
    ("format", "record", "words"),
    [
        ("json_lines", "{", ["line 2", "not JSON"]),
        ("json_lines", "[1]", ["line 2", "an object", "[1]"]),
        ("json_lines", {"sentence1": "a"}, ["line 2", "'label' is missing", "sentence1"]),
        ("json_lines", {"label": "no"}, ["line 2", "'sentence1' is missing"]),
        ("json_lines", {**LINE, "sentence1": 3}, ["line 2", "'sentence1'", "a text", "3"]),
        ("json_lines", {**LINE, "sentence1": ["a", 3]}, ["line 2", "'sentence1'", "a text", "3"]),
        ("json_lines", {**LINE, "label": "105"}, ["line 2", "label '105'"]),
        ("json_lines", {**LINE, "label": None}, ["line 2", "'label'", "null"]),
        ("wsc", {"text": "手机响了", "label": "no"}, ["line 2", "'target' is missing"]),
        ("wsc", {"text": "的手机，它它", "label": "no", "target": {**WORDS, "span2_index": 0}}, ["line 2", "2 times"]),
        (
            "wsc",
            {"text": "的手机，你", "label": "no", "target": WORDS},
            ["line 2", "span2_text '它'", "not occur in the text"],
        ),
        (
            "wsc",
            {"text": "的手机，它", "label": "no", "target": {**WORDS, "span1_index": "1"}},
            ["span1_index", "whole"],
        ),
        ("wsc", {"text": "的手机，，它", "label": "maybe", "target": WORDS}, ["line 2", "label 'maybe'"]),
        ("chid", {**BLANKS, "candidates": ["一"]}, ["line 2", "1 candidates"]),
        ("chid", {**BLANKS, "content": "#idiom000001#"}, ["line 2", "'content'", "a list"]),
        ("chid", {**BLANKS, "content": ["#idiom000002#"]}, ["line 2", "no answer to #idiom000002#", "archive"]),
        ("chid", {**BLANKS, "content": ["#idiom000003#"]}, ["line 2", "answer 2 to #idiom000003#", "expected 0 to 1"]),
        ("chid", {**BLANKS, "content": ["#idiom000001#", "#idiom000001#"]}, ["line 2", "also that of"]),
    ],
)
def test_lines_of_json(tmp_path: Path, format: str, record: Any, words: list[str]) -> None:
    whole = {"json_lines": LINE, "wsc": {"text": "的手机，，它", "label": "no", "target": WORDS}, "chid": None}[format]
    first = json.dumps(whole or {**BLANKS, "content": ["没有空"]})
    (tmp_path / "train_answer.json").write_text('{"#idiom000001#": 1, "#idiom000003#": 2}')
    line = record if isinstance(record, str) else json.dumps(record)
    with pytest.raises(UserError) as error:
        read(tmp_path, f"{first}\n{line}\n", {"format": format}, LABELS)
    refused(error, ["train.json", *words])


def test_an_id_that_is_no_single_value_names_its_line(tmp_path: Path) -> None:
    lines = [json.dumps({**LINE, "id": id}) for id in (5, [6])]
    with pytest.raises(UserError) as error:
        read(tmp_path, "\n".join(lines), {"format": "json_lines"}, LABELS, labelled=[])
    refused(error, ["train.json line 2", "'id'", "a text", "[6]"])
    assert [example.id for example in read(tmp_path, "\n".join(lines), {"format": "json_lines"}, LABELS).examples] == [
        "0",
        "1",
    ]


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_files_of_one_split_are_enough(split: str) -> None:
    data = check_settings(DataSettings, {split: "a.tsv"}, "data")
    assert {name: data.sets(name) for name in ("train", "dev", "test")} == {  # type: ignore[arg-type]
        name: {split: (Path("a.tsv"),)} if name == split else {} for name in ("train", "dev", "test")
    }
    assert data.file_names() == ["a.tsv"]
    with pytest.raises(UserError, match="names no files; give train, dev or test"):
        check_settings(DataSettings, {}, "data")
    with pytest.raises(UserError, match=f"data: key '{split}"):
        check_settings(DataSettings, {split: []}, "data")


def test_answers_to_blanks_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, json.dumps(BLANKS), {"format": "chid"})
    refused(error, ["train_answer.json", "not found", "train.json"])


CHOICES = {"question": "哪里？", "choice": ["北京", "上海"], "answer": "北京"}


@pytest.mark.parametrize(
    ("format", "value", "words"),
    [
        ("squad", {}, ["'data' is missing"]),
        ("squad", [], ["an object"]),
        ("squad", {"data": [{}]}, ["data[0]", "'paragraphs' is missing"]),
        ("squad", {"data": [{"paragraphs": [{"qas": []}]}]}, ["paragraphs[0]", "'context' is missing"]),
        ("squad", {"data": []}, ["no examples"]),
        ("squad", squad({"question": "?", "answers": []}), ["'id' is missing"]),
        ("squad", squad({"id": "Q1", "answers": QUESTION["answers"]}), ["question Q1", "'question' is missing"]),
        ("squad", squad({"id": "Q1", "question": "?"}), ["question Q1", "'answers' is missing"]),
        ("squad", squad({**QUESTION, "answers": []}), ["no examples", "no answer", "Q1"]),
        ("squad", squad({**QUESTION, "answers": [{"text": "", "answer_start": 0}]}), ["no answer", "Q1"]),
        ("squad", squad({**QUESTION, "answers": [{"text": "北京"}]}), ["question Q1", "'answer_start' is missing"]),
        ("squad", squad({**QUESTION, "answers": [{"text": "南京", "answer_start": 0}]}), ["not in its context", "Q1"]),
        ("squad", {"data": squad(QUESTION)["data"] * 2}, ["question Q1", "also that of"]),
        ("c3", {}, ["a list"]),
        ("c3", [[["句"]]], ["passage 0", "1 parts"]),
        (
            "c3",
            [[["句"], [{**CHOICES, "choice": ["北京"]}], "1"]],
            ["passage 0 question 0", "1 choices, expected 2 to 4"],
        ),
        ("c3", [[["句"], [{**CHOICES, "choice": list("甲乙丙丁戊")}], "1"]], ["5 choices"]),
        (
            "c3",
            [[["句"], [{**CHOICES, "answer": "南京"}], "1"]],
            ["passage 0 question 0", "'南京' is not among", "北京"],
        ),
        ("c3", [[["句"], [{"choice": ["甲", "乙"], "answer": "甲"}], "1"]], ["'question' is missing"]),
    ],
)
def test_documents_of_json(tmp_path: Path, format: str, value: Any, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, json.dumps(value), {"format": format})
    refused(error, ["train.json", *words])


@pytest.mark.parametrize("format", ["squad", "c3"])
def test_documents_that_are_cut_short_name_the_line(tmp_path: Path, format: str) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, '{\n "data": [\n', {"format": format})
    refused(error, ["train.json line 3", "not JSON"])


@pytest.mark.parametrize(
    ("format", "content", "words"),
    [
        ("tagged_rows", "text_a\tlabel\n海\x02钓\tO\n", ["line 2", "2 tokens and 1 tags"]),
        ("tagged_rows", "text_a\tlabel\n海\tB-LOC\n", ["line 2", "label 'B-LOC'"]),
        ("tagged_rows", "text_a\n海\n", ["line 1", "no column 'label'"]),
        ("tagged_rows", "text_a\tlabel\n\tO\n", ["line 2", "no tokens"]),
        ("tagged_columns", "海\tO\n钓\n\n", ["line 2", "no tag"]),
        ("tagged_columns", "海\tO\n\n钓\tX\n", ["line 3", "label 'X'"]),
        ("tagged_columns", "\n\n", ["no examples"]),
    ],
)
def test_tags(tmp_path: Path, format: str, content: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, content, {"format": format}, ["O", "B-PER"])
    refused(error, ["train.json", *words])


@pytest.mark.parametrize("format", ["tsv", "json_lines", "squad", "chid", "c3", "wsc", "tagged_rows", "tagged_columns"])
def test_folders_and_files_that_cannot_be_read(tmp_path: Path, format: str) -> None:
    (tmp_path / "train.json").mkdir()
    tree = {"folder": str(tmp_path), "train": "train.json", "reading": {"format": format}}
    with pytest.raises(UserError) as error:
        read_sets(check_settings(DataSettings, tree, "recipe.yaml"), "train", LABELS)
    refused(error, ["train.json", "cannot be read" if format != "chid" else "train_answer.json"])


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({}, ["names no files"]),
        ({"train": []}, ["train"]),
        ({"train": "x", "labelled": ["trian"]}, ["labelled.0", "'train'"]),
        ({"train": "x", "reading": {"format": "xml"}}, ["reading.format", "unknown 'xml'", "tsv", "squad"]),
        ({"train": "x", "reading": {"header": False}}, ["reading.format' is missing", "tsv", "squad"]),
        ({"train": "x", "reading": {"format": "wsc", "idd": "id"}}, ["'reading.idd'", "did you mean 'id'"]),
        ({"train": "x", "reading": {"format": "tsv", "header": False}}, ["without header", "'fields'"]),
        ({"train": "x", "reading": {"format": "tsv", "header": False, "fields": [2]}}, ["without header", "numbers"]),
    ],
)
def test_settings(tree: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        check_settings(DataSettings, tree, "recipe.yaml")
    refused(error, ["recipe.yaml", *words])


def test_a_label_map_names_labels_of_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, "", {"format": "tsv"}, LABELS, label_map={"0": "maybe"})
    refused(error, ["data.label_map", "'maybe'", "no, yes"])
