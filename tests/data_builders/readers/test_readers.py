"""Corpus formats: what comes out of clean and of dirty files."""

import bz2
import json
from collections import Counter
from pathlib import Path

import pytest

from data_builders.demo.packages import package_file
from data_builders.demo.wikipedia import DUMP
from data_builders.readers.jsonl import JsonLinesReader
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import BAD_UTF8, NOT_AN_ARTICLE, UNREADABLE, Reader, opened, read_documents
from data_builders.readers.text import TextReader
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
    with opened(path) as file:
        return [reader.paragraphs(record.text) for record in reader.records(file, tally)], tally


def test_text_has_a_document_between_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeff一 段\r\n二段\n\n \t\n\n三\u3000段\x00\n".encode())
    documents = list(read_documents(TextReader(), path, "zh", "source"))
    assert [document.paragraphs for document in documents] == [["一 段", "二段"], ["三 段"]]
    assert [document.id for document in documents] == ["0", "1"]
    assert documents[0].source == "source" and documents[0].language == "zh"


def test_bad_utf8_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"good \xff\xfe bytes\nfine\n\n" + "好".encode() + b"\xe5\xa5\n")
    assert tallied(TextReader(), path) == ([["good bytes", "fine"], ["好"]], Counter({BAD_UTF8: 2}))


def test_json_lines_take_text_and_title_and_count_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = [{"text": "a\n\nb", "title": "T"}, {"title": "no text"}, {"text": 3}, {"text": "c", "title": None}]
    path.write_text("\n".join([*map(json.dumps, lines), "{broken", "[]", ""]))
    documents = list(read_documents(JsonLinesReader(), path, "en", ""))
    assert [(d.id, d.title, d.paragraphs) for d in documents] == [("0", "T", ["a", "b"]), ("3", None, ["c"])]
    assert tallied(JsonLinesReader(), path)[1] == {UNREADABLE: 4}


@pytest.mark.parametrize("packed", [False, True])
def test_a_dump_gives_the_plain_text_of_its_articles(tmp_path: Path, packed: bool) -> None:
    text = dump(page(1, WIKITEXT), page(2, "talk", ns=1), page(3, "#REDIRECT", redirect='<redirect title="T1" />'))
    path = tmp_path / ("d.xml.bz2" if packed else "d.xml")
    path.write_bytes(bz2.compress(text.encode()) if packed else text.encode())
    documents = list(read_documents(MediaWikiReader(), path, "en", ""))
    assert [(d.id, d.title) for d in documents] == [("1", "T1")]
    assert documents[0].paragraphs == ["Anarchism is a philosophy.", "It began in Europe & spread."]
    assert tallied(MediaWikiReader(), path)[1] == {NOT_AN_ARTICLE: 2}


@pytest.mark.parametrize("damage", ["cut", "not xml", "cut bz2"])
def test_a_broken_dump_is_named(tmp_path: Path, damage: str) -> None:
    whole = dump(page(1, WIKITEXT)).encode()
    packed = bz2.compress(whole)
    path = tmp_path / "d.xml"
    path.write_bytes({"cut": whole[:-200], "not xml": b"plain text", "cut bz2": packed[: len(packed) // 2]}[damage])
    with pytest.raises(UserError, match=r"d\.xml: not a whole MediaWiki dump"):
        list(read_documents(MediaWikiReader(), path, "en", ""))


def test_a_real_dump_leaves_no_markup() -> None:
    """The first articles of the Wikipedia extract that gensim carries."""
    documents = read_documents(MediaWikiReader(), package_file("gensim", DUMP), "en", "")
    lines = [line for document, _ in zip(documents, range(8), strict=False) for line in document.paragraphs]
    assert sum(map(len, lines)) > 100_000
    marked = [line for line in lines if any(sign in line for sign in ("{{", "}}", "[[", "]]", "<ref", "{|", "|}"))]
    assert len(marked) < len(lines) / 100, marked[:3]


@pytest.mark.parametrize("reader", [TextReader(), JsonLinesReader()])
def test_a_file_that_cannot_serve_is_named(tmp_path: Path, reader: Reader) -> None:
    with pytest.raises(UserError, match="not found"):
        list(read_documents(reader, tmp_path / "no", "en", ""))
    with pytest.raises(UserError, match="cannot be read"):
        list(read_documents(reader, tmp_path, "en", ""))
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        list(read_documents(reader, tmp_path / "empty", "en", ""))
    (tmp_path / "blank").write_bytes(b"\n \n")
    with pytest.raises(UserError, match="no document with text"):
        list(read_documents(reader, tmp_path / "blank", "en", ""))
