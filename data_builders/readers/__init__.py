"""Corpus formats: how to find the documents in a file. One module a format."""

from data_builders.readers import jsonl, mediawiki, text
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Add the corpus formats."""
    for reader in (text.TextReader(), jsonl.JsonLinesReader(), mediawiki.MediaWikiReader()):
        registry.readers.add(reader.name, reader)
