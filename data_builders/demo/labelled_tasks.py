"""Labelled tasks from the demo corpora: names by the gold tags of the People's Daily, titles beside texts."""

from collections.abc import Iterator
from pathlib import Path

from data_builders.annotation.chinese import ORGANISATION, PERSON, PLACE
from data_builders.annotation.measuring import tagged_words
from data_builders.demo.peoples_daily import untagged
from data_builders.demo.reviews import split_of
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import Source
from ernie_paddle.files import read_text, written_whole
from ernie_paddle.keyed_random import keyed_hash

TAGS = {PERSON: "PER", PLACE: "LOC", ORGANISATION: "ORG"}  # of MSRA-NER
SEPARATOR = "\x02"  # between tokens and between tags, in the release's MSRA-NER files
SPLITS = ("train", "dev", "test")
PAIRS = "text_a\ttext_b\tlabel"
LONGEST_TEXT = 200  # characters of a text that stand beside a title
SHORTEST_TEXT = 20


def write_newspaper(gold: Path, out: Path) -> dict[str, int]:
    """Write `entities_<split>.tsv` and `titles_<split>.tsv` for train, dev and test; an article is in one split.

    `gold` is the `gold.txt` of `peoples_daily.write`. Returns the number of rows by task.
    """
    articles = [article.split("\n") for article in read_text(gold, "tagged text").strip("\n").split("\n\n")]
    of_split = {split: [one for one in articles if split_of("".join(one)) == split] for split in SPLITS}
    texts = {split: [[untagged(line) for line in one] for one in chosen] for split, chosen in of_split.items()}
    pairs = {split: [(first, "".join(rest)) for first, *rest in chosen] for split, chosen in texts.items()}
    entities = {split: [row for one in chosen for row in entity_rows(one)] for split, chosen in of_split.items()}
    return {
        "entities": _write(out, "entities", "text_a\tlabel", entities),
        "titles": _write(out, "titles", PAIRS, {split: list(title_rows(found)) for split, found in pairs.items()}),
    }


def write_wikipedia(dump: Path, out: Path) -> dict[str, int]:
    """Write `titles_en_<split>.tsv`: paragraphs beside the titles of their pages; a page is in one split."""
    pairs: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    for page in Source("wikipedia", dump, MediaWikiReader(), "en").documents():
        if page.title:
            pairs[split_of(page.title)] += [(page.title, text) for text in page.paragraphs]
    rows = {split: list(title_rows(found)) for split, found in pairs.items()}
    return {"titles_en": _write(out, "titles_en", PAIRS, rows)}


def _write(out: Path, name: str, header: str, rows: dict[str, list[str]]) -> int:
    for split in SPLITS:
        with written_whole(out / f"{name}_{split}.tsv") as file:
            file.writelines(f"{line}\n" for line in (header, *rows[split]))
    return sum(map(len, rows.values()))


def entity_rows(article: list[str]) -> Iterator[str]:
    """Each paragraph of tagged words as characters and their tags, as the release writes MSRA-NER."""
    for line in article:
        text, spans = tagged_words(line)
        tags = ["O"] * len(text)
        for span in spans:
            if span.code in TAGS:
                tags[span.start] = f"B-{TAGS[span.code]}"
                tags[span.start + 1 : span.end] = [f"I-{TAGS[span.code]}"] * (span.end - span.start - 1)
        kept = [(character, tag) for character, tag in zip(text, tags, strict=True) if not character.isspace()]
        if kept:
            yield "\t".join(SEPARATOR.join(column) for column in zip(*kept, strict=True))


def title_rows(pairs: list[tuple[str, str]]) -> Iterator[str]:
    """Titles beside the beginning of their own text (`match`) or of one with another title (`other`), in turn."""
    clean = sorted((" ".join(title.split()), " ".join(text.split())[:LONGEST_TEXT]) for title, text in pairs)
    mixed = [pair for pair in clean if len(pair[1]) >= SHORTEST_TEXT]
    mixed.sort(key=lambda pair: keyed_hash("title", *pair))
    for number, (title, text) in enumerate(mixed):
        others = (pair[1] for pair in mixed[number + 1 :] + mixed if pair[0] != title)
        other = next(others, None) if number % 2 == 0 else None
        yield f"{title}\t{other or text}\t{'other' if other else 'match'}"
