"""An extract of the English Wikipedia: the dump in gensim's test data, copied as it is."""

import shutil
from pathlib import Path

from data_builders.demo.packages import package_file
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import Source
from ernie_paddle.files import written_whole

DUMP = "test/test_data/enwiki-latest-pages-articles1.xml-*shortened.bz2"  # in gensim
ARTICLES = "articles.xml.bz2"


def write(out: Path) -> tuple[int, int]:
    """Write `ARTICLES`. Returns articles, characters of plain text in them."""
    source = package_file("gensim", DUMP)
    target = out / ARTICLES
    with open(source, "rb") as original, written_whole(target, "wb") as copy:
        shutil.copyfileobj(original, copy)
    documents = Source("wikipedia", target, MediaWikiReader(), "en").documents()
    articles = [sum(map(len, document.paragraphs)) for document in documents]
    return len(articles), sum(articles)
