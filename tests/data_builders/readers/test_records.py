"""Numbers of records, and where documents and lines that are too long are cut."""

import json
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest

from data_builders.documents import Document, Record
from data_builders.readers import jsonl, lines, reader, text
from data_builders.readers.jsonl import JsonLinesReader
from data_builders.readers.pairs import DiscoursePairReader
from data_builders.readers.reader import UNREADABLE, VERY_LONG_DOCUMENT, RawCorpus, Reader
from data_builders.readers.text import TextReader, TitledTextReader

TALLY = Counter[str]


def records(made: Reader, content: str) -> tuple[list[Record], Counter[str]]:
    tally = TALLY()
    return list(made.records(BytesIO(content.encode()), tally)), tally


def test_an_object_is_known_by_the_number_of_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank lines, broken lines and a line that is cut because of its length are counted, too."""
    monkeypatch.setattr(jsonl, "MAX_OBJECT_BYTES", 60)
    good, too_long = json.dumps({"text": "a"}), json.dumps({"text": "b" * 200})
    content = [good, "", "{broken", too_long, good, '{"title": "no text"}', good]
    found, tally = records(JsonLinesReader(), "\n".join(content))
    assert [record.id for record in found] == ["0", "4", "6"] and tally[UNREADABLE] == 2
    assert {record.text for record in found} == {"a"}


def test_the_rest_of_a_row_that_is_too_long_is_no_row() -> None:
    rest = "first\tsecond\tso"
    content = f"{'x' * lines.MAX_LINE_BYTES}{rest}\na\tb\tbut\n"
    found, tally = records(DiscoursePairReader(), content)
    assert [(record.text, record.label) for record in found] == [("a\nb", "but")] and tally[UNREADABLE] == 2


def test_a_text_without_blank_lines_is_cut_into_documents_of_the_longest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document is cut after the line that exceeds the limit of characters; no line is lost."""
    monkeypatch.setattr(text, "MAX_DOCUMENT_LENGTH", 10)
    found, tally = records(TextReader(), "".join(f"row{i}\n" for i in range(8)))
    assert [record.text.split("\n") for record in found] == [
        ["row0", "row1", "row2"],
        ["row3", "row4", "row5"],
        ["row6", "row7"],
    ]
    assert [record.id for record in found] == ["0", "1", "2"] and tally[VERY_LONG_DOCUMENT] == 2
    found, _ = records(TitledTextReader(), "\n\na title\n one \ntwo\n\n \nother\nthree\n")
    assert found == [Record("0", "one\ntwo", "a title"), Record("1", "three", "other")]


def test_long_records_are_cut_after_lines_or_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_DOCUMENT_LENGTH", 10)
    texts = ["aaaa\nbbbb\ncccc\ndddd\n", "x" * 10, "y" * 25, "zzzz\n" + "w" * 12]
    expected = [
        ["aaaa\nbbbb\n", "cccc\ndddd\n"],
        ["x" * 10],
        ["y" * 10, "y" * 10, "y" * 5],
        ["zzzz\n", "w" * 10, "w" * 2],
    ]
    (tmp_path / "one.jsonl").write_text("".join(json.dumps({"text": t, "title": "T"}) + "\n" for t in texts))
    tally = TALLY()
    found = list(RawCorpus("", tmp_path / "one.jsonl", JsonLinesReader(), "en").records(tally))
    assert [record.text for record in found] == [part for parts in expected for part in parts]
    assert [record.id for record in found] == ["0", "0.1", "1", "2", "2.1", "2.2", "3", "3.1", "3.2"]
    assert {record.title for record in found} == {"T"} and tally[VERY_LONG_DOCUMENT] == 3


def test_records_of_several_files_are_known_by_their_file_too(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("one\n\ntwo\n")
    several = RawCorpus("", tmp_path, TextReader(), "en")
    assert [record.id for record in several.records(TALLY())] == ["a.txt:0", "a.txt:1", "b.txt:0", "b.txt:1"]
    alone = RawCorpus("", tmp_path / "a.txt", TextReader(), "en")
    assert [record.id for record in alone.records(TALLY())] == ["0", "1"]


def test_documents_are_clean_and_carry_what_their_record_says() -> None:
    source = RawCorpus("corpus", Path("none"), TextReader(), "zh")
    document = source.document(Record("7", "a\ufffd  b\n\n c\x00", "T\ufffd", "so"))
    assert document == Document("7", ["a b", "c"], "zh", "corpus", "T", "so")
    assert source.document(Record("8", " \n\ufffd")) is None


def test_documents_are_duplicates_if_text_and_label_are_the_same() -> None:
    first = Document("0", ["a", "b"], "zh", "c")
    assert first.content() == Document("9", ["a", "b"], "en", "other", "T").content()
    labelled = [Document("0", ["a", "b"], "zh", "c", label=label) for label in ("so", "but")]
    others = [Document("0", paragraphs, "zh", "c") for paragraphs in (["b", "a"], ["a", "b", "b"], ["ab"], ["a"])]
    assert len({document.content() for document in (first, *labelled, *others)}) == 7
