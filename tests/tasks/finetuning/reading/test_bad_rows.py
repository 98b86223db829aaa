"""Rows that cannot be read are named, or keep their places among the examples if they are to be skipped."""

import json
from pathlib import Path
from typing import Any

import pytest

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.inputs import BadRow
from tasks.finetuning.reading.data import DataSettings, OpenSet, open_sets

WSC = {"text": "甲见乙", "target": {"span1_text": "甲", "span1_index": 0, "span2_text": "乙", "span2_index": 2}}
CHID = {"content": ["去#idiom1#吧", "又#idiom2#了"], "candidates": ["百尺竿头", "随波逐流"]}
QUESTION = {"question": "q", "id": "a", "answers": []}
C3 = {"question": "q", "choice": ["a", "b"]}


def lines(*values: Any) -> bytes:
    return "".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values).encode()


def squad(*questions: Any) -> bytes:
    return json.dumps({"data": [{"paragraphs": [{"context": "c", "qas": questions}]}]}).encode()


# Format, file, ids of all rows in order, numbers of the bad ones, and what is wrong with the first.
FILES: dict[str, tuple[str, bytes, list[str], list[int], str]] = {
    "a row with another number of fields": (
        "tsv",
        lines("text_a\tlabel", "a\t", "b", "c\t"),
        ["0", "1", "2"],
        [1],
        "line 3",
    ),
    "a row in another encoding": (
        "tsv",
        b"text_a\na\n\xb1\xb1\xbe\xa9\nb\n",
        ["0", "1", "2"],
        [1],
        "line 3: not UTF-8",
    ),
    "an empty line": (
        "tsv",
        lines("text_a\tlabel", "a\t", "", "", "c\t"),
        ["0", "1", "2", "3"],
        [1, 2],
        "line 3: an empty",
    ),
    "no JSON": (
        "json_lines",
        lines({"sentence1": "a"}, "{", {"sentence1": "b"}),
        ["0", "1", "2"],
        [1],
        "line 2: not JSON",
    ),
    "no text": (
        "json_lines",
        lines({"sentence": "a", "id": 7}, {"sentence1": "b", "id": 8}),
        ["0", "8"],
        [0],
        "line 1: key",
    ),
    "a word elsewhere": ("wsc", lines(WSC, {**WSC, "text": "丙"}, WSC), ["0", "1", "2"], [1], "line 2: span1_text"),
    "no candidates": ("chid", lines(CHID, {"content": ["a"]}), ["#idiom1#", "#idiom2#", "1"], [2], "line 2: key"),
    "one candidate": (
        "chid",
        lines({**CHID, "candidates": ["a"]}, CHID),
        ["0", "#idiom1#", "#idiom2#"],
        [0],
        "line 1: 1",
    ),
    "no question": (
        "squad",
        squad(QUESTION, {"id": "b", "answers": []}),
        ["a", "1"],
        [1],
        "question b: key 'question'",
    ),
    "no id": ("squad", squad({**QUESTION, "id": None}, QUESTION), ["0", "a"], [0], "key 'id'"),
    "one choice": (
        "c3",
        json.dumps([[["c"], [C3, {**C3, "choice": ["a"]}, C3], "x"]]).encode(),
        ["0-0", "1", "0-2"],
        [1],
        "1 choices",
    ),
    "a token in another encoding": (
        "tagged_columns",
        b"a\n\nb\n\xff\n\nc\n",
        ["0", "1", "2"],
        [1],
        "line 4: not UTF-8",
    ),
    "tokens in another encoding": (
        "tagged_rows",
        b"text_a\na\x02b\n\xff\n\nc\n",
        ["0", "1", "2", "3"],
        [1],
        "line 3: not",
    ),
}


def opened(folder: Path, name: str, skip_bad: bool) -> OpenSet:
    format, content, *_ = FILES[name]
    (folder / "test").write_bytes(content)
    tree = {"folder": str(folder), "test": "test", "labelled": [], "reading": {"format": format}}
    (found,) = open_sets(check_settings(DataSettings, tree, "data"), "test", None, skip_bad)
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_bad_row_keeps_its_place(tmp_path: Path, name: str) -> None:
    _, _, ids, bad, message = FILES[name]
    found = opened(tmp_path, name, skip_bad=True)
    examples = list(found.examples)
    assert [example.id for example in examples] == ids
    assert [number for number, example in enumerate(examples) if isinstance(example, BadRow)] == bad
    first = examples[bad[0]]
    assert isinstance(first, BadRow) and f"{tmp_path / 'test'}" in first.error and message in first.error
    assert found.report.bad == len(bad) and found.report.examples == len(ids) - len(bad)


@pytest.mark.parametrize("name", FILES)
def test_a_bad_row_is_an_error_otherwise(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as error:
        list(opened(tmp_path, name, skip_bad=False).examples)
    assert FILES[name][-1] in str(error.value) and str(tmp_path / "test") in str(error.value)


def test_files_that_are_broken_as_a_whole_are_errors(tmp_path: Path) -> None:
    for format, content in (("squad", b"{"), ("c3", b"[5]"), ("tsv", b"\xff\n"), ("tsv", b""), ("json_lines", b"")):
        (tmp_path / "test").write_bytes(content)
        tree = {"folder": str(tmp_path), "test": "test", "labelled": [], "reading": {"format": format}}
        (found,) = open_sets(check_settings(DataSettings, tree, "data"), "test", None, skip_bad=True)
        with pytest.raises(UserError, match=str(tmp_path / "test")):
            list(found.examples)


def test_examples_are_read_as_they_are_taken(tmp_path: Path) -> None:
    """The end of the file is not UTF-8, which shows only there."""
    (tmp_path / "test").write_bytes(b"text_a\n" + b"a\n" * 100_000 + b"\xff\n")
    tree = {"folder": str(tmp_path), "test": "test", "labelled": []}
    (found,) = open_sets(check_settings(DataSettings, tree, "data"), "test", None)
    assert next(found.examples).id == "0" and found.report.rows == 1
    with pytest.raises(UserError, match="line 100002"):
        list(found.examples)
