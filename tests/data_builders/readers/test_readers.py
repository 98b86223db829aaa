"""Corpus formats: documents of clean and of dirty files."""

import bz2
import gzip
import json
import lzma
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from data_builders.demo.packages import package_file
from data_builders.demo.wikipedia import DUMP
from data_builders.readers.jsonl import JsonLinesReader
from data_builders.readers.lines import BAD_BYTES, MAX_LINE_BYTES, NUL, VERY_LONG_LINE, text_lines
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.pairs import DiscoursePairReader, QueryTitleReader
from data_builders.readers.reader import (
    MAX_DOCUMENT_LENGTH,
    NOT_AN_ARTICLE,
    UNREADABLE,
    VERY_LONG_DOCUMENT,
    RawCorpus,
    Reader,
)
from data_builders.readers.text import TextReader, TitledTextReader
from ernie_paddle.errors import UserError

PAGE = """<page><title>{title}</title><ns>{ns}</ns><id>{id}</id>{redirect}<revision><id>1</id>
<timestamp>2005-07-09T19:00:00Z</timestamp><contributor><ip>::</ip></contributor>
<text xml:space="preserve">{text}</text></revision></page>"""
WIKITEXT = """{{Infobox|name=x|image=y}}'''Anarchism''' is a [[politics|philosophy]].&lt;ref&gt;A.&lt;/ref&gt;

[[File:flag.svg|thumb|A flag]]
== History ==
It began in [[Europe]] &amp;amp; spread.&lt;!-- not seen --&gt;
* an item of a list
{| class="wikitable"
| a cell
|}
[[Category:Ideas]]"""


def page(number: int, text: str, ns: int = 0, redirect: str = "") -> str:
    return PAGE.format(title=f"T{number}", ns=ns, id=number, redirect=redirect, text=text)


def dump(*pages: str) -> str:
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en">'
    names = '<namespaces><namespace key="0" case="first-letter" /></namespaces>'
    return f"{head}<siteinfo><sitename>W</sitename>{names}</siteinfo>{''.join(pages)}</mediawiki>"


def tallied(reader: Reader, path: Path) -> tuple[list[list[str]], Counter[str]]:
    tally: Counter[str] = Counter()
    source = RawCorpus("", path, reader, "en")
    return [reader.paragraphs(record.text) for record in source.records(tally)], tally


def test_documents_of_text_are_separated_by_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeff一 段\r\n二段\n\n \t\n\n三\u3000段\x00\n".encode())
    documents = list(RawCorpus("source", path, TextReader(), "zh").documents())
    assert [document.paragraphs for document in documents] == [["一 段", "二段"], ["三 段"]]
    assert [document.id for document in documents] == ["0", "1"]
    assert documents[0].corpus == "source" and documents[0].language == "zh"


def test_bad_utf8_is_removed_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"good \xff\xfe bytes\nfine\n\n" + "好".encode() + b"\xe5\xa5\n")
    assert tallied(TextReader(), path) == ([["good bytes", "fine"], ["好"]], Counter({BAD_BYTES: 2}))


def test_json_lines_give_text_and_title_and_other_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = [{"text": "a\n\nb", "title": "T"}, {"title": "no text"}, {"text": 3}, {"text": "c", "title": None}]
    path.write_text("\n".join([*map(json.dumps, lines), "{broken", "[]", ""]))
    documents = list(RawCorpus("", path, JsonLinesReader(), "en").documents())
    assert [(d.id, d.title, d.paragraphs) for d in documents] == [("0", "T", ["a", "b"]), ("3", None, ["c"])]
    assert tallied(JsonLinesReader(), path)[1] == {UNREADABLE: 4}


@pytest.mark.parametrize("packed", [False, True])
def test_a_dump_gives_the_plain_text_of_its_articles(tmp_path: Path, packed: bool) -> None:
    text = dump(page(1, WIKITEXT), page(2, "talk", ns=1), page(3, "#REDIRECT", redirect='<redirect title="T1" />'))
    path = tmp_path / ("d.xml.bz2" if packed else "d.xml")
    path.write_bytes(bz2.compress(text.encode()) if packed else text.encode())
    documents = list(RawCorpus("", path, MediaWikiReader(), "en").documents())
    assert [(d.id, d.title) for d in documents] == [("1", "T1")]
    assert documents[0].paragraphs == ["Anarchism is a philosophy.", "It began in Europe & spread."]
    assert tallied(MediaWikiReader(), path)[1] == {NOT_AN_ARTICLE: 2}


@pytest.mark.parametrize("damage", ["cut", "not xml", "cut bz2"])
def test_a_broken_dump_is_reported_by_its_path(tmp_path: Path, damage: str) -> None:
    whole = dump(page(1, WIKITEXT)).encode()
    packed = bz2.compress(whole)
    path = tmp_path / "d.xml"
    path.write_bytes({"cut": whole[:-200], "not xml": b"plain text", "cut bz2": packed[: len(packed) // 2]}[damage])
    with pytest.raises(UserError, match=r"d\.xml: not a whole MediaWiki dump"):
        list(RawCorpus("", path, MediaWikiReader(), "en").documents())


def test_a_real_dump_leaves_no_markup() -> None:
    """The first articles of gensim's Wikipedia extract."""
    documents = RawCorpus("", package_file("gensim", DUMP), MediaWikiReader(), "en").documents()
    lines = [line for document, _ in zip(documents, range(8), strict=False) for line in document.paragraphs]
    assert sum(map(len, lines)) > 100_000
    marked = [line for line in lines if any(sign in line for sign in ("{{", "}}", "[[", "]]", "<ref", "{|", "|}"))]
    assert len(marked) < len(lines) / 100, marked[:3]


@pytest.mark.parametrize("reader", [TextReader(), JsonLinesReader()])
def test_an_unusable_path_is_reported(tmp_path: Path, reader: Reader) -> None:
    with pytest.raises(UserError, match="not found"):
        list(RawCorpus("", tmp_path / "no", reader, "en").documents())
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="no file in this folder ends in"):
        list(RawCorpus("", tmp_path / "folder", reader, "en").documents())
    with pytest.raises(UserError, match="no file matches"):
        list(RawCorpus("", tmp_path / "*.nothing", reader, "en").documents())
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        list(RawCorpus("", tmp_path / "empty", reader, "en").documents())
    (tmp_path / "blank").write_bytes(b"\n \n")
    with pytest.raises(UserError, match="no document with text"):
        list(RawCorpus("", tmp_path / "blank", reader, "en").documents())


# ---- many files, packed files ----

PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def test_a_folder_or_pattern_is_read_in_the_order_of_names_compressed_or_not(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_text("one\n\ntwo")
    (tmp_path / "b" / "c.txt.gz").write_bytes(gzip.compress(b"three"))
    (tmp_path / "b" / "d.txt.bz2").write_bytes(bz2.compress(b"four"))
    (tmp_path / "e.txt.xz").write_bytes(lzma.compress(b"five"))
    (tmp_path / "f.jsonl").write_text("{}")
    found = {
        path: list(RawCorpus("", tmp_path / path, TextReader(), "en").documents()) for path in ("", "**/*.txt*", "b/c*")
    }
    words = {path: [document.paragraphs[0] for document in documents] for path, documents in found.items()}
    assert words == {"": ["one", "two", "three", "four", "five"], "**/*.txt*": words[""], "b/c*": ["three"]}
    assert [document.id for document in found[""]] == ["a.txt:0", "a.txt:1", "c.txt.gz:0", "d.txt.bz2:0", "e.txt.xz:0"]


@pytest.mark.parametrize("ending", PACKERS)
def test_a_truncated_compressed_file_is_reported_by_its_path(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.txt{ending}"
    packed = PACKERS[ending](random.Random(1).randbytes(50_000).hex().encode())
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(UserError, match=rf"t\.txt\{ending}: not a whole compressed file.*fetch"):
        list(RawCorpus("", path, TextReader(), "en").documents())


def test_progress_counts_the_bytes_of_the_files_on_disk(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt.gz").write_bytes(gzip.compress(b"some words\n\n" * 1000))
    source = RawCorpus("", tmp_path, TextReader(), "en")
    told: list[int] = []
    assert len(list(source.records(Counter(), told.append))) == 2000
    assert told == sorted(told) and told[0] > 0 and told[-1] == source.size


# ---- what no memory holds ----


def test_long_lines_are_cut_at_characters_and_counted_once(tmp_path: Path) -> None:
    text = "好" * 50 + "\n" + "x" * 7 + "\n" + "é" * 40
    path = tmp_path / "t.txt"
    path.write_bytes(text.encode())
    for longest in (8, 9, 10, 11, 64):
        tally: Counter[str] = Counter()
        with open(path, "rb") as file:
            pieces = list(text_lines(file, tally, longest))
        assert "".join(piece + "\n" * whole for piece, whole in pieces).strip() == text
        assert max(len(piece.encode()) for piece, _ in pieces) <= longest + 3 and BAD_BYTES not in tally
        assert tally[VERY_LONG_LINE] == 2


def test_a_file_without_a_line_break_becomes_paragraphs_and_documents_of_bounded_size(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("字" * (MAX_LINE_BYTES * 2))
    documents, tally = tallied(TextReader(), path)
    assert sum(len(line) for paragraphs in documents for line in paragraphs) == MAX_LINE_BYTES * 2
    assert max(sum(map(len, paragraphs)) for paragraphs in documents) <= MAX_DOCUMENT_LENGTH + MAX_LINE_BYTES
    assert tally[VERY_LONG_LINE] == 1 and tally[VERY_LONG_DOCUMENT] >= 1


def test_a_long_document_is_cut_between_its_paragraphs(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    paragraphs = ["x" * 400_000] * 6
    path.write_text(json.dumps({"text": "\n".join(paragraphs), "title": "T"}))
    documents = list(RawCorpus("", path, JsonLinesReader(), "en").documents())
    assert [document.paragraphs for document in documents] == [paragraphs[:2]] * 3
    assert [(document.id, document.title) for document in documents] == [("0", "T"), ("0.1", "T"), ("0.2", "T")]


def test_nul_is_removed_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"a\x00b\n\x00\n\nc")
    assert tallied(TextReader(), path) == ([["ab"], ["c"]], Counter({NUL: 2}))


# ---- titles and labelled pairs ----


def test_the_first_line_of_a_titled_text_is_its_title(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("T\na\nb\n\nalone\n\nU\nc")
    documents = list(RawCorpus("", path, TitledTextReader(), "en").documents())
    assert [(d.title, d.paragraphs) for d in documents] == [("T", ["a", "b"]), ("U", ["c"])]


def test_rows_of_pairs_keep_their_label_and_other_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    rows = ["query\ttitle\tlabel", "q\tt 1\tclicked", "q\tt 2\tshown", "q\t\tshown", "q\tt", "", "q\tt\tsold"]
    path.write_text("\n".join(rows))
    documents = list(RawCorpus("", path, QueryTitleReader(), "en").documents())
    assert [(d.id, d.paragraphs, d.label) for d in documents] == [
        ("1", ["q", "t 1"], "clicked"),
        ("2", ["q", "t 2"], "shown"),
    ]
    assert tallied(QueryTitleReader(), path)[1] == {UNREADABLE: 4}
    assert documents[0].content() != documents[1].content()
    labels = [d.label for d in RawCorpus("", path, DiscoursePairReader(), "en").documents()]
    assert labels == ["label", "clicked", "shown", "sold"]
