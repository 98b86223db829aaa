"""An extract of the English Wikipedia: a copy of the dump in gensim's test data, and its training pages as text."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_builders.demo.packages import package_file
from data_builders.demo.reviews import split_of
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import RawCorpus
from data_builders.readers.text import as_text
from ernie_paddle.files import atomic_write

DUMP = "test/test_data/enwiki-latest-pages-articles1.xml-*shortened.bz2"  # in gensim
ARTICLES = "articles.xml.bz2"
TRAIN = "train.txt"  # the pages of the training split as titled text
TENTHS = {"dev": 1, "test": 2, "train": 7}


def write(out: Path) -> tuple[int, int]:
    """Write `ARTICLES` and `TRAIN`; return the numbers of articles and of characters of plain text."""
    source = package_file("gensim", DUMP)
    target = out / ARTICLES
    with open(source, "rb") as original, atomic_write(target, "wb") as copy:
        shutil.copyfileobj(original, copy)
    pages = list(pages_of(target, MediaWikiReader()))
    training = [(title, *paragraphs) for title, paragraphs in pages if split_of_page(title) == "train"]
    with atomic_write(out / TRAIN) as file:
        file.write(as_text(training))
    return len(pages), sum(len(paragraph) for _, paragraphs in pages for paragraph in paragraphs)


def pages_of(dump: Path, reader: MediaWikiReader) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the title and the paragraphs of each page of the dump."""
    for page in RawCorpus("wikipedia", dump, reader, "en").documents():
        if page.title:
            yield page.title, page.paragraphs


def split_of_page(title: str) -> str:
    """Return the split of the page with this title."""
    return split_of(title, TENTHS)
