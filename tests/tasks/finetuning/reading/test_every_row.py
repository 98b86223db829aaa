"""Files that are to be predicted: an example for every row, in order, or an error that names the row."""

import json
from pathlib import Path
from typing import Any

import pytest
from reading_support import LABELS, read

from ernie_paddle.errors import UserError
from tasks.finetuning.reading.data import LoadedSet

PAIRS = {"format": "tsv", "columns": {"text_b": "text_b"}}
WSC = {"text": "甲见乙", "target": {"span1_text": "甲", "span1_index": 0, "span2_text": "乙", "span2_index": 2}}
CHID = {"content": ["去#idiom{}#吧"], "candidates": ["百尺竿头", "随波逐流"]}
LINES: dict[str, tuple[dict[str, Any], list[str]]] = {  # reading and three rows, the first line being a header or a row
    "pairs": (PAIRS, ["text_a\ttext_b", "a\tb", "\t", "c\td"]),
    "json_lines": ({"format": "json_lines"}, [json.dumps({"sentence1": text}) for text in ("a", "", "c")]),
    "wsc": ({"format": "wsc"}, [json.dumps(WSC)] * 3),
    "chid": ({"format": "chid"}, [json.dumps(CHID).replace("{}", str(number)) for number in range(3)]),
}


def unlabelled(folder: Path, lines: list[str], reading: dict[str, Any]) -> LoadedSet:
    return read(folder, "".join(f"{line}\n" for line in lines), reading, LABELS, labelled=[])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("reading", [{}, {"header": False, "fields": [1], "columns": {"text_a": 0, "label": 1}}])
def test_in_a_file_of_one_column_an_empty_line_is_a_row(tmp_path: Path, reading: dict[str, Any], end: str) -> None:
    lines = ["first", "", "third", "", ""]
    content = end.join([*([] if reading else ["text_a"]), *lines]) + end
    found = read(tmp_path, content, {"format": "tsv", **reading}, LABELS, labelled=[])
    assert [(example.id, example.text_a) for example in found.examples] == [
        (str(row), text) for row, text in enumerate(lines)
    ]
    assert found.report.skipped == {}


def test_a_row_of_tokens_may_be_empty(tmp_path: Path) -> None:
    found = unlabelled(tmp_path, ["text_a", "甲\x02乙", "", "丙"], {"format": "tagged_rows"})
    assert [example.tokens for example in found.examples] == [("甲", "乙"), (), ("丙",)]


@pytest.mark.parametrize("name", LINES)
def test_empty_texts_are_rows_and_empty_lines_at_the_end_are_none(tmp_path: Path, name: str) -> None:
    reading, lines = LINES[name]
    found = unlabelled(tmp_path, [*lines, "", ""], reading)
    assert len(found.examples) == 3 and found.report.skipped["an empty line"].count == 2
    assert len(unlabelled(tmp_path, lines, reading).examples) == 3


@pytest.mark.parametrize("name", LINES)
def test_an_empty_line_between_rows_is_named_before_anything_is_predicted(tmp_path: Path, name: str) -> None:
    reading, lines = LINES[name]
    with pytest.raises(UserError, match=r"train\.json line 3: an empty line, but every row gets a prediction"):
        unlabelled(tmp_path, [*lines[:2], "", "", *lines[2:]], reading)


def test_where_labels_are_read_empty_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    found = read(tmp_path, "text_a\tlabel\na\tno\n\nb\tyes\n\n", {"format": "tsv"}, LABELS)
    assert [example.text_a for example in found.examples] == ["a", "b"]
    assert found.report.skipped["an empty line"].count == 2
    rows = "text_a\tlabel\n甲\x02乙\tno\x02yes\n\n丙\tno\n"
    assert len(read(tmp_path, rows, {"format": "tagged_rows"}, LABELS).examples) == 2
