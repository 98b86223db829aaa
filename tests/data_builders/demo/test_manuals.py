"""Manuals in Debian packages: packages that the tests make, and an `apt-get` that has only these."""

import csv
import gzip
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from helpers import Run, assert_user_error, write_command

from data_builders.commands import corpus
from data_builders.demo import debian, manuals
from data_builders.demo.manual_pages import ManualPage, is_prose, normalised, read_html, read_man, read_page
from data_builders.demo.manuals import Manual, without_repeats
from data_builders.documents import Language, Record
from data_builders.readers.text import TitledTextReader
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json

NOTE = "本页的这一段说明文字在每一页上都重复出现。"
ZH = Manual("guide", "guide-zh", "zh", "usr/share/guide/**/*.html")
MAN = Manual("man_pages", "man-zh", "zh", "usr/share/man/zh_CN/man*/*.gz")
EN = Manual("book", "book", "en", "usr/share/book/**/*.html", is_metapackage=True, without="translations")


def html_page(title: str, *paragraphs: str) -> str:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f'<html><body><div class="navheader">上一页 下一页 目录 索引 首页</div><h1>{title}</h1>{body}</body></html>'


def write_package(folder: Path, name: str, files: dict[str, bytes]) -> None:
    tree = folder / name
    licence = {f"usr/share/doc/{name}/copyright": b"free"}
    control = f"Package: {name}\nVersion: 1.2\nArchitecture: all\nMaintainer: us <us@example.org>\nDescription: pages\n"
    for path, content in {**files, **licence, "DEBIAN/control": control.encode()}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    subprocess.run(["dpkg-deb", "--build", tree, folder / f"{name}_1.2_all.deb"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages, with `apt-get` and `apt-cache` in `bin/` that know these alone."""
    folder = tmp_path_factory.mktemp("archive")
    zh = "这是第{}页的第{}段正文内容，它比标题旁边的文字所要求的最短长度更长，也够长而能问它出自哪本手册。"
    pages = {
        f"usr/share/guide/part{i % 3}/{i}.html": html_page(f"{i}.1. 第{i}页", zh.format(i, 1), NOTE, zh.format(i, 2))
        for i in range(60)
    }
    write_package(folder, "guide-zh", {name: page.encode() for name, page in pages.items()})
    source = ".TH X 1\n.SH 名称\nx{0} \\- 第{0}页命令\n.SH 描述\n{1}\n.PP\n{2}\n"
    man = {i: source.format(i, zh.format(i, "甲"), zh.format(i, "乙")).encode() for i in range(20)}
    write_package(folder, "man-zh", {f"usr/share/man/zh_CN/man1/x{i}.1.gz": gzip.compress(man[i]) for i in man})
    en = "A paragraph of page {} that is long enough to be kept, number {} of the page, and to ask for its manual."
    book = {
        f"usr/share/book/{i}.html": html_page(f"Part {i % 60}", en.format(i, "one"), en.format(i, "two"))
        for i in range(120)
    }
    book["usr/share/book/translations/x.html"] = html_page("Seite", en.format("x", "one"), en.format("x", "two"))
    write_package(folder, "book-3", {name: page.encode() for name, page in book.items()})
    write_command(
        folder / "bin" / "apt-get",
        f"""name=${{@: -1}}
        cp {folder}/${{name}}_*.deb . 2> /dev/null || {{ echo "E: Unable to locate package $name" >&2; exit 100; }}""",
    )
    write_command(folder / "bin" / "apt-cache", 'printf "book\\n  Depends: book-3\\n"')
    return folder


@pytest.fixture
def apt(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{archive / 'bin'}{os.pathsep}{os.environ['PATH']}")


def documents_of(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("*.txt")):
        with open(path, "rb") as file:
            yield from TitledTextReader().records(file, Counter())


def rows_of(folder: Path, task: str) -> list[dict[str, str]]:
    rows = []
    for split in ("train", "dev", "test"):
        with open(folder / "tasks" / f"{task}_{split}.tsv", encoding="utf-8") as file:
            rows += [{**row, "split": split} for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return rows


def test_every_page_is_either_for_pretraining_or_in_one_split_of_the_task(tmp_path: Path, apt: None) -> None:
    written, rows = manuals.write(tmp_path, (ZH, MAN, EN))
    for language, pages in (("zh", 80), ("en", 120)):
        documents = list(documents_of(tmp_path / language))
        own = [manual for manual in written if manual.language == language]
        texts = [line for document in documents for line in document.text.split("\n")]
        assert len(documents) == sum(manual.pages for manual in own)
        assert sum(map(len, texts)) == sum(manual.characters for manual in own)
        task = rows_of(tmp_path, f"titles_{language}")
        assert len(task) == rows[f"titles_{language}"] == 2 * sum(manual.task_pages for manual in own)
        assert len(documents) + sum(manual.task_pages for manual in own) == pages
        assert not {row["text_a"] for row in task} & {document.title for document in documents}
        assert not {row["text_b"] for row in task} & set(texts)
        splits = {(row["text_a"], row["split"]) for row in task}
        assert len(splits) == len({title for title, _ in splits})
        for row in task:
            numbers = {int(re.findall(r"\d+", row[column])[0]) % 60 for column in ("text_a", "text_b")}
            assert (len(numbers) == 1) == (row["label"] == "match")
        assert {row["label"] for row in task} == {"match", "other"}
    assert {manual.package: manual.version for manual in written} == dict.fromkeys(
        ("guide-zh", "man-zh", "book-3"), "1.2"
    )
    assert [record["package"] for record in read_json(tmp_path / "sources.json", "sources")["manuals"]] == [
        asdict(manual)["package"] for manual in written
    ]
    assert (tmp_path / "licences" / "book-3.txt").read_text() == "free"


def test_sources_are_paragraphs_of_the_pages_of_titles_beside_their_manual(tmp_path: Path, apt: None) -> None:
    _, rows = manuals.write(tmp_path, (ZH, MAN, EN))
    for language, manual in (("zh", "guide"), ("en", "book")):
        task = rows_of(tmp_path, f"sources_{language}")
        assert len(task) == rows[f"sources_{language}"] > 20
        assert {row["label"] for row in task} == {manual}  # the few pages of man_pages are not in all splits
        assert len({row["text_a"] for row in task}) == len(task)
        places = {
            name: {(int(re.findall(r"\d+", row["text_a"])[0]) % 60, row["split"]) for row in own}
            for name, own in (("sources", task), ("titles", rows_of(tmp_path, f"titles_{language}")))
        }
        assert places["sources"] <= places["titles"]
        seen = {line for document in documents_of(tmp_path / language) for line in document.text.split("\n")}
        assert not seen & {row["text_a"] for row in task}


def made_pages(count: int, sign: str = "") -> dict[str, list[ManualPage]]:
    """Return pages of each split, with nine paragraphs of 40 characters that begin with a sign."""
    splits = ("train", "dev", "test")
    texts = {
        (split, i): [f"{sign} {split} {i} {n}".ljust(40, ".") for n in range(9)]
        for split in splits
        for i in range(count)
    }
    return {split: [ManualPage(f"{i}", tuple(texts[split, i])) for i in range(count)] for split in splits}


def test_no_page_and_no_manual_has_most_of_the_sources() -> None:
    pages = {"few": made_pages(2), "three": made_pages(3, "甲"), "many": made_pages(99, "乙")}
    for own in manuals.source_rows(pages, "zh").values():
        labels = Counter((row[0], row.split("\t")[1]) for row in own)
        assert labels == {("甲", "three"): 3 * manuals.SOURCES_PER_PAGE, ("乙", "many"): manuals.SOURCES_PER_MANUAL}
        assert max(Counter(row.rsplit(" ", 1)[0] for row in own).values()) <= manuals.SOURCES_PER_PAGE
        assert {row[0] for row in own[:20]} == {"甲", "乙"}  # in no order that tells


@pytest.mark.parametrize(
    ("text", "language", "kept"),
    [
        ("字" * 39, "zh", False), ("字" * 40, "zh", True), ("字" * 300, "zh", True), ("字" * 301, "zh", False),
        ("x" * 99, "en", False), ("x" * 100, "en", True), ("x" * 600, "en", True), ("x" * 601, "en", False),
        ("As LibreOffice does, ".ljust(120, "x"), "en", False), ("see the Man pages ".ljust(120, "x"), "en", False),
    ],
)  # fmt: skip
def test_sources_are_neither_short_nor_long_and_name_no_manual(text: str, language: Language, kept: bool) -> None:
    pages = [ManualPage("title", (text,)), *(ManualPage("title", ("字x" * 50,)) for _ in range(3))]
    own = {"libreoffice": {"train": pages, "dev": pages, "test": pages}, "man_pages": made_pages(0)}
    found = manuals.source_rows(own, language)
    assert [text in {row.split("\t")[0] for row in rows} for rows in found.values()] == [kept] * 3


def test_the_same_packages_give_the_same_bytes_without_another_download(
    tmp_path: Path, apt: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    manuals.write(tmp_path, (ZH, MAN))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setenv("PATH", str(Path(shutil.which("dpkg-deb") or "").parent))
    write_command(tmp_path / "bin" / "apt-get", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    manuals.write(tmp_path, (ZH, MAN))
    assert {path: path.read_bytes() for path in before} == before
    assert not list((tmp_path / "packages").glob(".*"))


def test_boilerplate_goes_and_repeats_are_kept_once() -> None:
    pages = [
        ManualPage(f"{i}", ("note", "twice" if i < 2 else f"{i} c", f"{i} a", f"{i} b", f"{i} a")) for i in range(5)
    ]
    first, second = without_repeats([pages[:3], [*pages[3:], ManualPage("one", ("a",))]])
    assert [page.paragraphs for page in first] == [("twice", "0 a", "0 b"), ("1 a", "1 b"), ("2 c", "2 a", "2 b")]
    assert [page.title for page in second] == ["3", "4"]  # a page of one paragraph is left out


# ---- pages ----


def test_html_is_read_without_what_is_not_prose() -> None:
    title, texts = read_html(
        b"""<html><head><title>window</title><style>p {}</style></head><body><nav>menu</nav>
        <h1>1.2. The <code>title</code> <a class="headerlink" href="#x">\xc2\xb6</a></h1>
        <p>One <b>par</b>agraph<!-- no --> with a <a href="x">link</a><br>in it.</p>
        <div>Loose text<ul><li>an item</li><li><p>another</p> and its tail</li></ul></div>
        <pre>code</pre> after code <h2>Section</h2><table><tr><td>cell<td>cell 2</table>
        <script>x()</script><div class="a toc b">contents</div></body>"""
    )
    assert " ".join(title.split()) == "1.2. The title"
    assert [" ".join(text.split()) for text in texts] == [
        "One paragraph with a link in it.",
        "Loose text",
        "an item",
        "another",
        "and its tail",
        "after code",
        "cell",
        "cell 2",
    ]


@pytest.mark.parametrize("place", ['id="DisplayArea"', 'role="main"', 'id="page-content"'])
def test_only_the_main_part_of_a_page_is_read(place: str) -> None:
    assert read_html(f"<body>menu<h1>no</h1><div {place}><h2>T</h2>text</div>end</body>".encode()) == ("T", ["text"])


def test_a_page_without_a_heading_has_the_title_of_its_window() -> None:
    assert read_html(b"<html><head><title>Window</title></head><body><p>text</p></body></html>") == ("Window", ["text"])
    assert read_html(b" \n") == ("", [])


def test_man_pages_are_read_without_fonts_code_and_tables() -> None:
    title, texts = read_man(
        r""".\" comment
.TH LS 1 2022 "coreutils"
.de XX
hidden
..
.SH NAME
ls \- list "things"
.SH "DESCRIPTION"
List \fBfiles\fP (\fI\,in\/\fP a
.BR folder (1),
.I "by name"
or \(lqso\(rq\&.\" comment
.TP
\fB\-a\fP, \fB\-\-all\fP
everything \[u4E2D]\e
.nf
code
.fi
.TS
table
.TE
.SS Sub
the end"""
    )
    assert title == 'ls - list "things"'
    assert [" ".join(text.split()) for text in texts] == [
        "List files (in a folder(1), by name or “so”.",
        "-a, --all everything 中\\",
        "the end",
    ]


def test_lines_of_chinese_are_joined_without_blanks() -> None:
    assert normalised("把 以 null 结尾\n 的 路径名，\n分解 (a b)") == "把以 null 结尾的路径名，分解 (a b)"


def test_paragraphs_in_another_language_or_of_signs_are_left_out() -> None:
    assert is_prose("使用 apt-get 命令来安装软件包。", "zh") and not is_prose("The page is not translated 好", "zh")
    assert not is_prose("太短。", "zh") and not is_prose("0x00 0x01 0x02 0x03 0x04 0x05 0x06 0x07 0x08 0x09", "en")
    assert is_prose("A line of English that is long enough to count.", "en")


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        ("5.6. Modifying Tables", "Modifying Tables"),
        ("Chapter 5. Data", "Data"),
        ("第 5 章 网络设置", "网络设置"),
        ("附录 A. 高级", "高级"),
        ("A.1. 其他页面", "其他页面"),
        ("Version 3.11", "Version 3.11"),
    ],
)
def test_numbers_of_chapters_are_no_part_of_titles(tmp_path: Path, title: str, kept: str) -> None:
    text = "A paragraph in English that is long enough to be kept here."
    (tmp_path / "a.html").write_text(f"<h1>{title}</h1><p>{text}</p>", encoding="utf-8")
    assert read_page(tmp_path / "a.html", "en") == ManualPage(kept, (text,))


def test_pages_without_prose_or_without_a_title_in_their_language_are_none(tmp_path: Path) -> None:
    for name, text in {"a": html_page("中文标题"), "b": html_page("English", NOTE), "c": ""}.items():
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
        assert read_page(tmp_path / f"{name}.html", "zh") is None


# ---- mistakes ----


def test_what_cannot_be_had_is_told_in_one_line(
    tmp_path: Path, apt: None, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manuals.write, "__defaults__", ((Manual("x", "unknown", "zh", "*"),),))
    code, stderr = run("corpus", "manuals", "--out", tmp_path / "a")
    assert_user_error(code, stderr, "Unable to locate package unknown", "network", "apt-get update")
    assert len(stderr.splitlines()) == 1
    monkeypatch.setenv("PATH", str(tmp_path))
    code, stderr = run("corpus", "manuals", "--out", tmp_path / "a")
    assert_user_error(code, stderr, "apt-get: not found", "Debian")


def test_damaged_packages_and_packages_of_other_pages_are_told(tmp_path: Path, apt: None) -> None:
    other = Manual("guide", "guide-zh", "zh", "usr/share/elsewhere/*.html")
    with pytest.raises(UserError, match=r"guide-zh_1.2_all.deb: has no usr/share/elsewhere/\*.html"):
        manuals.write(tmp_path, (other,))
    package = tmp_path / "packages" / "guide-zh_1.2_all.deb"
    package.write_bytes(package.read_bytes()[:500])
    with pytest.raises(UserError, match=r"guide-zh_1\.2_all\.deb: dpkg-deb.*remove the file"):
        manuals.write(tmp_path, (ZH,))


def test_a_metapackage_of_several_packages_is_told(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_command(tmp_path / "apt-cache", 'printf "book\\n  Depends: a\\n  Depends: b\\n"')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UserError, match="should depend on one package, found: a, b"):
        debian.newest("book")


def test_the_command_shows_what_it_wrote(
    tmp_path: Path, apt: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(manuals.write, "__defaults__", ((ZH, EN),))
    from ernie_paddle.cli import main

    main(["corpus", "manuals", "--out", str(tmp_path)])
    shown = capsys.readouterr().out
    pages = len(list(documents_of(tmp_path / "zh")))
    assert f"zh/guide.txt │ guide-zh │ 1.2     │ {pages:>9}" in shown and "titles_en" in shown
    assert corpus.MANUALS == "manuals"
