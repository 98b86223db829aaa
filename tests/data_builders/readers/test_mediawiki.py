"""MediaWiki dumps in any language: the text of their articles in one variant."""

import html
import time
from collections import Counter
from pathlib import Path

import pytest

from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import NOT_AN_ARTICLE, RawCorpus
from data_builders.readers.wiki_variants import FALLBACKS, in_variant
from ernie_paddle.errors import UserError

ENGLISH = {-2: "Media", -1: "Special", 0: "", 1: "Talk", 4: "Wikipedia", 6: "File", 14: "Category", 100: "Portal"}
GERMAN = {-2: "Medium", -1: "Spezial", 0: "", 1: "Diskussion", 4: "Wikipedia", 6: "Datei", 14: "Kategorie"}
FRENCH = {-2: "Média", 0: "", 3: "Discussion utilisateur", 4: "Wikipédia", 6: "Fichier", 14: "Catégorie"}


def dump(path: Path, text: str, language: str, names: dict[int, str]) -> Path:
    spaces = "".join(f'<namespace key="{key}" case="first-letter">{name}</namespace>' for key, name in names.items())
    path.write_text(
        f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="{language}"><siteinfo>'
        f"<sitename>W</sitename><namespaces>{spaces}</namespaces></siteinfo><page><title>T</title><ns>0</ns><id>1</id>"
        "<revision><id>1</id><timestamp>2005-07-09T19:00:00Z</timestamp><contributor><ip>::</ip></contributor>"
        f'<text xml:space="preserve">{html.escape(text)}</text></revision></page></mediawiki>',
        encoding="utf-8",
    )
    return path


def lines(tmp_path: Path, text: str, language: str = "en", names: dict[int, str] = ENGLISH) -> list[str]:
    source = RawCorpus("", dump(tmp_path / "d.xml", text, language, names), MediaWikiReader(), "en")
    return [line for document in source.documents() for line in document.paragraphs]


@pytest.mark.parametrize(
    ("language", "names", "hidden"),
    [
        ("de", GERMAN, "Datei:A.jpg Bild:A.jpg datei:a.png File:B.svg Image:B.svg Medium:C.ogg Kategorie:Stadt"),
        ("fr", FRENCH, "Fichier:A.jpg fichier:A.jpg Image:B.jpg Média:C.ogg Catégorie:Ville Category:Towns"),
        ("zh", ENGLISH, "文件:甲.jpg 檔案:甲.jpg 档案:甲 图像:甲 圖片:甲 File:甲 分类:城市 分類:城市 Category:城市"),
        ("zh-hant", ENGLISH, "檔案:甲.jpg 分類:城市"),
        ("ja", {6: "ファイル", 14: "カテゴリ"}, "ファイル:甲.jpg 画像:甲.jpg カテゴリ:都市"),
        ("qqx", {6: "Some_file", 14: "Sorts (all)"}, "some_File:A.jpg Some\u3000file:A.jpg Sorts_(all):A"),
        ("", {}, "File:A.jpg image:A.jpg Media:A.ogg category:A CATEGORY:A"),
    ],
)
def test_files_and_categories_are_recognised_by_all_names_of_their_namespaces(
    tmp_path: Path, language: str, names: dict[int, str], hidden: str
) -> None:
    for target in hidden.split(" "):
        target = target.replace("\u3000", " ")
        found = lines(tmp_path, f"One.[[{target}|thumb|a [[link]] in it]] Two.[[ {target} ]]\nThree.", language, names)
        assert found == ["One. Two.", "Three."], target
        found = lines(tmp_path, f"One [[:{target}|text]] two [[:{target}]].", language, names)
        assert found == [f"One text two {target}."], target


def test_namespaces_of_one_language_are_words_in_another(tmp_path: Path) -> None:
    text = "One [[Bild: Die Zeitung]] two [[Fil:x]]."
    assert lines(tmp_path, text) == ["One Bild: Die Zeitung two Fil:x."]


def test_interwiki_links_give_their_text_and_titles_with_a_colon_are_kept(tmp_path: Path) -> None:
    text = (
        "[[2001: A Space Odyssey]] by [[Star Trek: Picard|Picard]]; [[Spezial:Suche|search]], [[Wikipedia:Über uns]]"
        + ("[[wikt:word|word]] [[w:Foo]][[en:Foo]][[zh-yue:Foo|Foo]][[simple:Foo]][[:en:Foo|english]] [[Re:Zero]]")
    )
    expected = "2001: A Space Odyssey by Picard; search, word english Re:Zero"
    assert lines(tmp_path, text, "de", GERMAN) == [expected]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("'''甲地'''（{{lang|en|Place A}}）是城。", "甲地是城。"),
        ("甲（{{lang|en|A}}，{{IPA|a}}；）是城。", "甲是城。"),
        ("甲（{{lang|en|A}}，又称乙）是城。", "甲（又称乙）是城。"),
        ("甲（又称乙，{{lang|en|A}}<ref>x</ref>）是城。", "甲（又称乙）是城。"),
        (
            "Aal ({{IPA|a}}) is ([[x]], {{y}}) a fish ([{{z}}]). The call f() and ( ) stay",
            "Aal is (x) a fish. The call f() and ( ) stay",
        ),
        ("One {{a}} ({{b}}), two {{c}}. Three {{d}} four", "One, two. Three four"),
        ("A<ref>b</ref> c, {{d}} (e) <!-- f -->g", "A c, (e) g"),
        ("__NOTOC__甲__无目录__ __KEIN_INHALTSVERZEICHNIS__ __notoc__乙", "甲 乙"),
        ("Call __init__ or snake__case__name", "Call __init__ or snake__case__name"),
    ],
)
def test_removed_markup_leaves_no_empty_brackets_and_no_switches(tmp_path: Path, text: str, plain: str) -> None:
    assert lines(tmp_path, text, "zh") == [plain]


@pytest.mark.parametrize(
    ("markup", "hans", "hant"),
    [
        ("是-{zh-hans:计算机;zh-hant:電腦}-。", "是计算机。", "是電腦。"),
        ("-{zh-cn:甲;zh-tw:乙;zh-hk:丙;}-", "甲", "乙"),
        ("-{zh-hk:丙; zh-sg : 丁 }-", "丁", "丙"),
        ("-{zh-hant:只有}-", "只有", "只有"),
        ("它的-{程式}-和-{}-", "它的程式和", "它的程式和"),
        ("-{T|zh-hans:甲;zh-hant:乙}-丙", "丙", "丙"),
        ("-{H|zh-cn:甲;zh-tw:乙}-丙-{-|zh-cn:甲;zh-tw:乙}-", "丙", "丙"),
        ("-{H|甲=>zh-cn:乙;丁=>zh-tw:戊}-丙", "丙", "丙"),
        ("-{A|zh-cn:甲;zh-tw:乙}-丙", "甲丙", "乙丙"),
        ("-{R|zh-cn:甲}-", "zh-cn:甲", "zh-cn:甲"),
        ("-{zh-hans;zh-hant|甲}-", "甲", "甲"),
        ("-{zh-hans:a-{zh-hans:b;zh-hant:c}-d;zh-hant:-{e}-f}-", "abd", "ef"),
        ("-{zh-hans:http://x;y;zh-hant:z:w}-", "http://x;y", "z:w"),
        ("-{zh-hans:甲\n;zh-hant:乙\n}-丙", "甲丙", "乙丙"),
        ("-{zh-hans:;zh-hant:乙}-丙", "丙", "乙丙"),
        ("-{[[甲|乙]]}-", "[[甲|乙]]", "[[甲|乙]]"),
        ("甲-{乙 and }- 丙-{", "甲乙 and  丙-{", "甲乙 and  丙-{"),
        ("a}-b x-{{y}}-z -{{{y}}}-", "a}-b x-{{y}}-z {{y}}", "a}-b x-{{y}}-z {{y}}"),
        ("-{x", "-{x", "-{x"),
    ],
)
def test_one_of_several_variants_is_kept(markup: str, hans: str, hant: str) -> None:
    assert in_variant(markup, "zh-hans") == hans and in_variant(markup, "zh-tw") == hant
    assert all(in_variant(markup, variant) is not None for variant in FALLBACKS)


def test_the_variant_of_a_corpus_is_kept_within_links_and_captions(tmp_path: Path) -> None:
    text = "[[甲|-{zh-hans:计算机;zh-hant:電腦}-]]是[[-{zh-cn:软件;zh-tw:軟體}-]]。" + (
        "[[文件:x.jpg|-{zh-hans:图;zh-hant:圖}-]]"
    )
    path = dump(tmp_path / "d.xml", text, "zh", ENGLISH)
    found = {
        variant: next(RawCorpus("", path, MediaWikiReader().in_variant(variant), "zh").documents()).paragraphs
        for variant in ("zh-hans", "zh-hk")
    }
    assert found == {"zh-hans": ["计算机是软件。"], "zh-hk": ["電腦是軟體。"]}
    assert MediaWikiReader().variant == "zh-hans"


def test_long_runs_of_templates_are_parsed_fast() -> None:
    text = "（" + "{{x}} , \n" * 20_000 + "end" + "({{y}} [ " * 2_000
    before = time.process_time()
    assert MediaWikiReader().paragraphs(text)[-1].startswith("（end")
    assert time.process_time() - before < 5


def test_xml_that_is_not_a_dump_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.xml").write_text("<rss><channel/></rss>")
    with pytest.raises(UserError, match=r"d\.xml: not a MediaWiki dump: its first element is <rss>"):
        list(RawCorpus("", tmp_path / "d.xml", MediaWikiReader(), "en").documents())


def test_pages_of_other_namespaces_are_counted(tmp_path: Path) -> None:
    path = dump(tmp_path / "d.xml", "text", "de", GERMAN)
    path.write_text(path.read_text().replace("<ns>0</ns>", "<ns>14</ns>"))
    tally: Counter[str] = Counter()
    assert not list(RawCorpus("", path, MediaWikiReader(), "en").records(tally)) and tally == {NOT_AN_ARTICLE: 1}
