"""An extract of the English Wikipedia: a copy of the dump in gensim's test data."""

import shutil
from pathlib import Path

from data_builders.demo.packages import package_file
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import RawCorpus
from ernie_paddle.files import atomic_write

DUMP = "test/test_data/enwiki-latest-pages-articles1.xml-*shortened.bz2"  # in gensim
ARTICLES = "articles.xml.bz2"


def write(out: Path) -> tuple[int, int]:
    """Write `ARTICLES`; return the numbers of articles and of characters of plain text."""
    source = package_file("gensim", DUMP)
    target = out / ARTICLES
    with open(source, "rb") as original, atomic_write(target, "wb") as copy:
        shutil.copyfileobj(original, copy)
    documents = RawCorpus("wikipedia", target, MediaWikiReader(), "en").documents()
    articles = [sum(map(len, document.paragraphs)) for document in documents]
    return len(articles), sum(articles)
