"""Readers of corpus formats, which find the documents in a file."""

from data_builders.readers import jsonl, mediawiki, pairs, text
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Register the corpus formats."""
    for reader in (
        text.TextReader(),
        text.TitledTextReader(),
        jsonl.JsonLinesReader(),
        mediawiki.MediaWikiReader(),
        pairs.QueryTitleReader(),
        pairs.DiscoursePairReader(),
    ):
        registry.readers.add(reader.name, reader)
