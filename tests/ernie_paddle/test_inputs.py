"""What users give from Python and in files: fields by name and in order, rows with their places."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.inputs import (
    ERRORS_SHOWN,
    BadRow,
    BadRows,
    InputRow,
    RowLayout,
    TaskInput,
    TextInput,
    input_rows,
    read_rows,
)


class Choice(TaskInput):
    question: str
    choices: tuple[str, ...]
    note: str | None = None


@pytest.mark.parametrize(
    "given",
    [
        {"question": "q", "choices": ["a", "b"]},
        {"id": 7, "label": "x", "question": "q", "choices": ("a", "b")},
        ("q", ["a", "b"]),
        ["q", ("a", "b"), None],
        Choice(question="q", choices=("a", "b")),
    ],
)
def test_fields_are_given_by_name_or_in_order(given: Any) -> None:
    assert Choice.of(given, "here") == Choice(question="q", choices=("a", "b"))


def test_a_text_is_the_first_field() -> None:
    assert TextInput.of("a text", "here") == TextInput(text_a="a text")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("q", "here: key 'choices' is missing"),
        ({"question": "q", "choice": ["a"]}, "here: unknown key 'choice'; did you mean 'choices'"),
        (("q", ["a"], "n", "more"), "here: expected a text, or up to 3 fields: question, choices, note"),
        (5, "here: expected a text"),
        (None, "here: expected a text"),
        (("q", "ab"), "here: key 'choices'"),
    ],
)
def test_what_does_not_fit_is_named(given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Choice.of(given, "here")


def test_inputs_from_python_are_numbered() -> None:
    assert list(input_rows(["a", ("b", "c")])) == [InputRow("0", "input 0", "a"), InputRow("1", "input 1", ("b", "c"))]


def rows_of(folder: Path, layout: RowLayout, content: str | bytes, skip_bad: bool = False) -> list[Any]:
    path = folder / "rows"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = list(read_rows(path, layout, skip_bad))
    return [(row.id, row.error if isinstance(row, BadRow) else row.given) for row in found]


def test_every_line_of_a_text_file_is_a_text_and_only_line_feeds_end_it(tmp_path: Path) -> None:
    content = "\ufeffa\tb\r\n\n c\u2028d \n\ne"
    assert rows_of(tmp_path, "text", content) == [("0", "a\tb"), ("1", ""), ("2", " c\u2028d "), ("3", ""), ("4", "e")]
    assert rows_of(tmp_path, "text", "") == []


def test_columns_have_names_and_a_name_that_occurs_again_is_a_list(tmp_path: Path) -> None:
    content = 'question\tchoices\tid\tchoices\tchoices\n"q\ta\tx7\tb\tc\n\td\t\te\t\n'
    assert rows_of(tmp_path, "tsv", content) == [
        ("x7", {"question": '"q', "choices": ["a", "b", "c"], "id": "x7"}),
        ("", {"question": "", "choices": ["d", "e"], "id": ""}),
    ]


def test_json_lines_hold_texts_lists_and_objects(tmp_path: Path) -> None:
    values = ["a", ["a", "b"], {"id": 12, "text_a": "北京"}]
    content = "".join(json.dumps(value) + "\n" for value in values)
    assert rows_of(tmp_path, "jsonl", content) == [("0", "a"), ("1", ["a", "b"]), ("12", values[2])]


def test_half_characters_are_replaced(tmp_path: Path) -> None:
    """In UTF-8 as some programs write it, and in JSON."""
    whole, half = "😀".encode("utf-16", "surrogatepass")[2:].decode("utf-16").encode(), b"\xed\xa0\xbd"
    pair = "\ud83d\ude00".encode("utf-8", "surrogatepass")
    assert rows_of(tmp_path, "text", b"a" + half + b"\n" + pair + b"\n") == [("0", "a\ufffd"), ("1", whole.decode())]
    assert rows_of(tmp_path, "jsonl", '"a\\ud83d"\n') == [("0", "a\ufffd")]


BAD: list[tuple[RowLayout, bytes, int, str]] = [
    ("text", b"a\n\xff\xfe\nb\n", 1, "rows line 2: not UTF-8"),
    ("jsonl", b'"a"\n"b\n"c"\n', 1, "rows line 2: not JSON"),
    ("jsonl", b'"a"\n5\n"c"\n', 1, "rows line 2: expected a text, a list or an object, found 5"),
    ("jsonl", b'"a"\n\n"c"\n', 1, "rows line 2: not JSON"),
    ("tsv", b"text_a\ttext_b\na\tb\nc\nd\te\n", 1, "rows line 3: 1 fields, the header has 2"),
]


@pytest.mark.parametrize(("layout", "content", "place", "message"), BAD)
def test_a_bad_row_is_named_or_keeps_its_place(
    tmp_path: Path, layout: RowLayout, content: bytes, place: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        rows_of(tmp_path, layout, content)
    found = rows_of(tmp_path, layout, content, skip_bad=True)
    assert len(found) == 3 and [id for id, _ in found] == ["0", "1", "2"]
    assert message in found[place][1] and [message in str(value) for _, value in found].count(True) == 1


@pytest.mark.parametrize(("content", "message"), [(b"", "rows: expected the names"), (b"a\t\tb\n", "line 1: expected")])
def test_a_table_needs_names_even_if_bad_rows_are_skipped(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        rows_of(tmp_path, "tsv", content, skip_bad=True)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none: cannot be read: No such file"):
        list(read_rows(tmp_path / "none", "text"))


def test_a_pipe_is_read_as_it_is_written(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)

    def write() -> None:
        with open(pipe, "w") as file:
            file.write("first\n" + "x" * (1 << 17) + "\n")
            file.flush()
            assert read.wait(5)
            file.write("last\n")

    writer = threading.Thread(target=write)
    writer.start()
    rows = read_rows(pipe, "text")
    assert next(rows).id == "0"
    read.set()
    assert [row.id for row in rows] == ["1", "2"]
    writer.join()


def test_bad_rows_are_counted_and_the_first_ones_named() -> None:
    bad = BadRows()
    assert bad.notes() == []
    for number in range(1234):
        bad.add(BadRow(str(number), f"line {number}"))
    *errors, last = bad.notes()
    assert errors == [f"line {number}" for number in range(ERRORS_SHOWN)]
    assert last == "1,234 bad rows were left out"
