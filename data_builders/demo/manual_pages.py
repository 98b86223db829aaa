"""Titles and paragraphs of HTML pages and man pages, without menus, headings, code and tables of contents."""

import gzip
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data_builders.documents import Language

CONTENT = (  # where pages keep their text, by generator: LibreOffice, Sphinx, Apache, and any other
    '//*[@id="DisplayArea"]',
    '//*[@role="main"]',
    '//*[@id="page-content"]',
    "//body",
)
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
OMITTED_TAGS = ("script", "style", "nav", "header", "footer", "pre", "form", "button", "svg", "select", "title")
OMITTED_CLASSES = (
    "navheader navfooter docnav toc contents headerlink indexterm footnotes sphinxsidebar related toplang bottomlang "
    "programlisting screen listingblock highlight"
).split()
OMITTED_IDS = ("banner", "title", "quickview", "footer", "path")
INLINE = frozenset(
    "a abbr acronym b bdi big br cite code data del dfn em font i img ins kbd label mark q s samp small span strong "
    "sub sup time tt u var wbr".split()
)
NUMBER = re.compile(  # of a chapter or section, before its title
    r"(?:Chapter|Appendix|Part)\s+[\dA-Z]+\.\s+|(?:第\s*[\d一二三四五六七八九十]+\s*[章节部分]|附录\s*[A-Z])\.?\s*"
    r"|(?:[\dA-Z]+\.)+\d*\s+"
)
HAN = r"\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"  # Chinese characters and punctuation
MIN_LENGTH: dict[Language, int] = {"en": 40, "zh": 12}  # characters of a paragraph
MIN_SHARE: dict[Language, float] = {"en": 0.8, "zh": 0.4}  # of the language's characters in a paragraph
CHARACTERS: dict[Language, re.Pattern[str]] = {"en": re.compile("[A-Za-z ]"), "zh": re.compile(f"[{HAN}]")}


@dataclass(frozen=True)
class ManualPage:
    """A page of a manual: its title, and its paragraphs in order."""

    title: str
    paragraphs: tuple[str, ...]


def read_page(path: Path, language: Language) -> ManualPage | None:
    """Read a page and keep the paragraphs that are prose in `language`; None if it has no title or no prose.

    A name that ends in `.html` is an HTML page, any other a man page, gzipped or not.
    """
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    title, texts = read_html(raw) if path.suffix == ".html" else read_man(raw.decode("utf-8", errors="replace"))
    title = normalised(title)
    title = title[number.end() :] if (number := NUMBER.match(title)) else title
    paragraphs = tuple(text for text in map(normalised, texts) if is_prose(text, language) and text != title)
    titled = title if language == "en" or CHARACTERS[language].search(title) else ""
    return ManualPage(title, paragraphs) if titled and paragraphs else None


def normalised(text: str) -> str:
    """Return a text on one line, without blanks between Chinese characters, where lines were wrapped."""
    return re.sub(rf"(?<=[{HAN}]) (?=[{HAN}])", "", " ".join(text.split()))


def is_prose(text: str, language: Language) -> bool:
    """Return whether a paragraph is long enough and mostly in the letters of its language."""
    return len(text) >= MIN_LENGTH[language] and len(CHARACTERS[language].findall(text)) >= MIN_SHARE[language] * len(
        text
    )


def read_html(raw: bytes) -> tuple[str, list[str]]:
    """Return the title of an HTML page and the texts of its blocks."""
    from lxml import etree, html

    if not raw.strip():
        return "", []
    page = html.fromstring(raw, parser=html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True))
    content = next((found[0] for path in CONTENT if (found := page.xpath(path))), page)
    classes = " or ".join(f"contains(concat(' ', @class, ' '), ' {name} ')" for name in OMITTED_CLASSES)
    ids = " or ".join(f"@id='{name}'" for name in OMITTED_IDS)
    for element in content.xpath(f".//*[{_any_of(OMITTED_TAGS)} or {classes} or {ids}]"):
        element.drop_tree()
    headings = content.xpath(f".//*[{_any_of(HEADINGS)}]")
    title = headings[0].text_content() if headings else page.findtext(".//title", "")
    for heading in headings:
        heading.drop_tree()
    texts, parts = list[str](), list[str]()
    for event, element in etree.iterwalk(content, events=("start", "end")):
        if element.tag not in INLINE:
            texts.append("".join(parts))
            parts.clear()
        elif element.tag == "br":
            parts.append(" ")
        parts.append((element.text if event == "start" else element.tail) or "")
    return title, [text for text in texts if text.strip()]


def _any_of(tags: Iterable[str]) -> str:
    return " or ".join(f"self::{tag}" for tag in tags)


# ---- man pages ----

SPECIAL = {  # characters by the names of their escapes; others, such as `\\&`, stand for nothing
    "aq": "'", "cq": "’", "oq": "‘", "lq": "“", "rq": "”", "dq": '"', "em": "—", "en": "–", "bu": "•", "co": "©",
    "-": "-", "e": "\\", "\\": "\\", " ": " ", "~": " ", "0": " ", "'": "'", "`": "`", ".": ".",
}  # fmt: skip
ESCAPE = re.compile(
    r"\\(?:f(?:\[[^]]*\]|\(..|.)|s[-+]?\d|\*(?:\[[^]]*\]|\(..|.)|\((?P<two>..)|\[(?P<name>[^]]*)\]|(?P<one>.))"
)
ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|(\S+)')
BREAKS = frozenset("PP P LP TP IP HP RS RE SS TQ Pp It br sp".split())
FONTS = {"B": " ", "I": " ", "SM": " ", "SB": " "} | dict.fromkeys("BR BI IR IB RB RI".split(), "")
NO_REQUEST = "."  # a line with a point alone, where a comment was
UNREAD = {"nf": "fi", "EX": "EE", "TS": "TE", "de": ".", "ig": ".", "PS": "PE"}  # what ends a part that is no prose


def read_man(source: str) -> tuple[str, list[str]]:
    """Return the title of a man page, the text of its first section, and the paragraphs of the others.

    Reads the macros of `man`, as translations use them. Code and tables are left out.
    """
    texts, parts, sections, until = list[str](), list[str](), list[int](), ""
    for line in re.sub(r'\\".*', "", source).split("\n"):
        request, argument = _request(line)
        if until:
            until = "" if request == until else until
        elif request in UNREAD:
            until = UNREAD[request]
        elif request == "SH" or request in BREAKS:
            texts.append(" ".join(parts))
            parts.clear()
            if request == "SH":
                sections.append(len(texts))
        elif request in FONTS:
            parts.append(
                FONTS[request].join(quoted.replace('""', '"') or plain for quoted, plain in ARGUMENT.findall(argument))
            )
        elif not request:
            parts.append(line)
    texts.append(" ".join(parts))
    begin, end = (*sections, len(texts), len(texts))[:2]
    paragraphs = [unescaped(text) for text in texts]
    return " ".join(paragraphs[begin:end]).strip(), [text for text in paragraphs[end:] if text.strip()]


def _request(line: str) -> tuple[str, str]:
    """Return the name and the arguments of a request; no name for a line of text."""
    if line[:1] not in (".", "'"):
        return "", ""
    name, _, argument = line[1:].strip().partition(" ")
    return name or NO_REQUEST, argument


def unescaped(text: str) -> str:
    """Return the text of a man page without fonts and with the characters that its escapes stand for."""

    def character(match: re.Match[str]) -> str:
        name = match["two"] or match["name"] or match["one"] or ""
        code = re.fullmatch("u([0-9A-F]{4,6})", name)
        return chr(int(code[1], 16)) if code else SPECIAL.get(name, "")

    return ESCAPE.sub(character, text)
