"""Labelled tasks from the demo corpora: named entities from gold tags, and matching of titles and texts."""

from collections.abc import Iterator
from pathlib import Path

from data_builders.annotation.chinese import ORGANISATION, PERSON, PLACE
from data_builders.annotation.measuring import tagged_words
from data_builders.demo.peoples_daily import untagged
from data_builders.demo.reviews import split_of
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import RawCorpus
from ernie_paddle.files import atomic_write, read_text
from ernie_paddle.keyed_random import keyed_hash

TAGS = {PERSON: "PER", PLACE: "LOC", ORGANISATION: "ORG"}  # of MSRA-NER
SEPARATOR = "\x02"  # between tokens and between tags, in the release's MSRA-NER files
SPLITS = ("train", "dev", "test")
PAIRS = "text_a\ttext_b\tlabel"
MAX_TEXT_LENGTH = 200  # characters of a text beside a title
MIN_TEXT_LENGTH = 20


def write_newspaper(gold: Path, out: Path) -> dict[str, int]:
    """Write `entities_<split>.tsv` and `titles_<split>.tsv` for train, dev and test; an article is in one split.

    Args:
        gold: the `gold.txt` of `peoples_daily.write`.

    Returns:
        the number of rows by task.
    """
    articles = [article.split("\n") for article in read_text(gold, "tagged text").strip("\n").split("\n\n")]
    entities: dict[str, list[str]] = {split: [] for split in SPLITS}
    pairs: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    for article in articles:
        split = split_of("".join(article))
        entities[split] += entity_rows(article)
        title, *paragraphs = map(untagged, article)
        pairs[split].append((title, "".join(paragraphs)))
    titles = {split: list(title_rows(split_pairs)) for split, split_pairs in pairs.items()}
    return {
        "entities": _write(out, "entities", "text_a\tlabel", entities),
        "titles": _write(out, "titles", PAIRS, titles),
    }


def write_wikipedia(dump: Path, out: Path) -> dict[str, int]:
    """Write `titles_en_<split>.tsv`: paragraphs beside titles of pages; a page is in one split."""
    pairs: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    for page in RawCorpus("wikipedia", dump, MediaWikiReader(), "en").documents():
        if page.title:
            pairs[split_of(page.title)] += [(page.title, text) for text in page.paragraphs]
    rows = {split: list(title_rows(split_pairs)) for split, split_pairs in pairs.items()}
    return {"titles_en": _write(out, "titles_en", PAIRS, rows)}


def _write(out: Path, name: str, header: str, rows: dict[str, list[str]]) -> int:
    for split in SPLITS:
        with atomic_write(out / f"{name}_{split}.tsv") as file:
            file.writelines(f"{line}\n" for line in (header, *rows[split]))
    return sum(map(len, rows.values()))


def entity_rows(article: list[str]) -> Iterator[str]:
    """Yield each paragraph of tagged words as characters and their tags, in the release's format of MSRA-NER."""
    for line in article:
        text, words = tagged_words(line)
        tags = ["O"] * len(text)
        for word in words:
            if word.code in TAGS:
                tags[word.start] = f"B-{TAGS[word.code]}"
                tags[word.start + 1 : word.end] = [f"I-{TAGS[word.code]}"] * (word.end - word.start - 1)
        kept = [(character, tag) for character, tag in zip(text, tags, strict=True) if not character.isspace()]
        if kept:
            yield "\t".join(SEPARATOR.join(column) for column in zip(*kept, strict=True))


def title_rows(pairs: list[tuple[str, str]]) -> Iterator[str]:
    """Yield titles alternately beside a text with another title (`other`) and beside their own text (`match`)."""
    clean = sorted((" ".join(title.split()), " ".join(text.split())[:MAX_TEXT_LENGTH]) for title, text in pairs)
    mixed = [pair for pair in clean if len(pair[1]) >= MIN_TEXT_LENGTH]
    mixed.sort(key=lambda pair: keyed_hash("title", *pair))
    for number, (title, text) in enumerate(mixed):
        others = (pair[1] for pair in mixed[number + 1 :] + mixed if pair[0] != title)
        other = next(others, None) if number % 2 == 0 else None
        yield f"{title}\t{other or text}\t{'other' if other else 'match'}"
