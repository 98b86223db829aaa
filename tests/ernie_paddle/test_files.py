"""Lines of files, and files that are not UTF-8."""

from pathlib import Path

import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.files import lines_of, read_json, read_lines, write_json
from ernie_paddle.text.encodings import guessed_encoding, text_codec
from ernie_paddle.training.log_file import LOG_FILE, read_log
from tasks.submission.inputs import glue_rows, json_rows
from tasks.submission.layouts import JsonLines

NO_ENDS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"  # at which str.splitlines cuts
TEXTS = {
    "gb18030": "群众对此表示满意，干部也很高兴。去年的产量增加了百分之三。\n",
    "big5": "群眾對此表示滿意，幹部也很高興。去年的產量增加了百分之三。\n",
    "shift_jis": "これは日本語の文章です。経済の発展について述べています。\n",
    "cp1252": "Les élèves étaient très fatigués après la journée passée à l'école.\n",
    "utf-16": "群众对此表示满意 and more.\n",
    "utf-16-le": "群众对此表示满意 and more.\n",
    "utf-16-be": "群众对此表示满意 and more.\n",
}


@pytest.mark.parametrize("inside", [*NO_ENDS, "\r"])
def test_only_line_feeds_end_lines_and_carriage_returns_before_them_belong_to_the_end(
    tmp_path: Path, inside: str
) -> None:
    (tmp_path / "t").write_bytes(f"a{inside}b\r\n\r\nc{inside}d\n{inside}e\r".encode())
    assert read_lines(tmp_path / "t", "text") == [f"a{inside}b", "", f"c{inside}d", f"{inside}e"]


@pytest.mark.parametrize(("text", "lines"), [("", []), ("\n", [""]), ("a", ["a"]), ("a\n\n", ["a", ""])])
def test_an_end_after_the_last_line_begins_no_other(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85"])
def test_logs_and_test_files_have_a_row_a_line(tmp_path: Path, inside: str) -> None:
    text = f'{{"id": 0, "label": "a{inside}b"}}\r\n{{"id": 1, "label": "c"}}\n'
    (tmp_path / LOG_FILE).write_text(text, encoding="utf-8", newline="\n")
    assert len(read_log(tmp_path / LOG_FILE)) == len(json_rows(tmp_path / LOG_FILE)) == 2
    assert len(JsonLines().read(text).entries) == 2
    (tmp_path / "test.tsv").write_text(f"index\ts\n0\ta{inside}b\r\n1\ta\rb\n", encoding="utf-8", newline="\n")
    assert [row.id for row in glue_rows(tmp_path / "test.tsv")] == ["0", "1"]


@pytest.mark.parametrize("encoding", TEXTS)
def test_a_text_that_is_not_utf8_is_named_with_its_encoding(tmp_path: Path, encoding: str) -> None:
    raw = (TEXTS[encoding] * 3).encode(encoding)
    assert guessed_encoding(raw) == encoding
    assert guessed_encoding(raw * 1000) == encoding, "wherever the sample ends"
    (tmp_path / "words.txt").write_bytes(raw)
    with pytest.raises(UserError, match=rf"words\.txt: word list cannot be read: not UTF-8 but, .* {encoding};"):
        read_lines(tmp_path / "words.txt", "word list")


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.json").read_bytes())
    assert read_json(tmp_path / "a.json", "settings") == {"a": 1}


def test_codecs_are_known_by_any_of_their_names_and_no_others() -> None:
    assert text_codec("GBK") == "gbk" and text_codec("latin-1") == "iso8859-1"
    for name in ("gbkk", "base64", "", "rot13"):
        with pytest.raises(ValueError, match=f"unknown encoding '{name}'"):
            text_codec(name)
