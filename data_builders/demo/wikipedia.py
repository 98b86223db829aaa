"""An extract of the English Wikipedia: a copy of the dump in gensim's test data, and its training pages as text."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mwparserfromhell.wikicode import Wikicode

from data_builders.demo.packages import package_file
from data_builders.demo.reviews import split_of
from data_builders.readers.mediawiki import MediaWikiReader, plain
from data_builders.readers.reader import RawCorpus
from data_builders.readers.text import as_text
from data_builders.readers.wiki_links import kind_of_target
from ernie_paddle.files import atomic_write

DUMP = "test/test_data/enwiki-latest-pages-articles1.xml-*shortened.bz2"  # in gensim
ARTICLES = "articles.xml.bz2"
TRAIN = "train.txt"  # the pages of the training split as titled text
OPEN, CLOSE = "\x03", "\x04"  # around names in marked text; XML cannot contain these characters
TENTHS = {"dev": 1, "test": 2, "train": 7}


class Page(NamedTuple):
    """A page: its title, and its paragraphs with names between `OPEN` and `CLOSE`."""

    title: str
    paragraphs: Sequence[str]


class MarkedNamesReader(MediaWikiReader):
    """A reader of MediaWiki dumps that encloses the names of the text, the links in capitals, in `OPEN` and `CLOSE`."""

    def parsed(self, text: str) -> Wikicode:
        code = super().parsed(text)
        for link in code.filter_wikilinks():
            visible = link.title if link.text is None else link.text
            if plain(visible)[:1].isupper() and kind_of_target(str(link.title)) == "page":
                link.text = f"{OPEN}{visible}{CLOSE}"
        return code


def unmarked(text: str) -> str:
    """Return marked text without the marks."""
    return re.sub(f"[{OPEN}{CLOSE}]", "", text)


def write_dump(out: Path) -> list[Page]:
    """Write `ARTICLES`; return its pages."""
    target = out / ARTICLES
    with open(package_file("gensim", DUMP), "rb") as original, atomic_write(target, "wb") as copy:
        shutil.copyfileobj(original, copy)
    documents = RawCorpus("wikipedia", target, MarkedNamesReader(), "en").documents()
    return [Page(page.title, page.paragraphs) for page in documents if page.title]


def write(pages: Sequence[Page], out: Path) -> tuple[int, int]:
    """Write `TRAIN`; return the numbers of pages and of characters of plain text."""
    texts = [(page.title, *map(unmarked, page.paragraphs)) for page in pages]
    with atomic_write(out / TRAIN) as file:
        file.write(as_text(text for text in texts if split_of_page(text[0]) == "train"))
    return len(texts), sum(len(paragraph) for _, *paragraphs in texts for paragraph in paragraphs)


def split_of_page(title: str) -> str:
    """Return the split of the page with this title."""
    return split_of(title, TENTHS)
