"""Labelled tasks from the People's Daily: names by its gold tags, and titles beside articles."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from data_builders.annotation.chinese import ORGANISATION, PERSON, PLACE
from data_builders.annotation.measuring import tagged_words
from data_builders.demo.peoples_daily import untagged
from data_builders.demo.reviews import split_of
from ernie_paddle.files import written_whole
from ernie_paddle.keyed_random import keyed_hash

TAGS = {PERSON: "PER", PLACE: "LOC", ORGANISATION: "ORG"}  # of MSRA-NER
SEPARATOR = "\x02"  # between tokens and between tags, in the release's MSRA-NER files
SPLITS = ("train", "dev", "test")
LONGEST_BODY = 200  # characters of an article that stand beside a title
SHORTEST_BODY = 20


def write(gold: Path, out: Path) -> tuple[int, int]:
    """Write `entities_<split>.tsv` and `titles_<split>.tsv` for train, dev and test; an article is in one split.

    `gold` is the `gold.txt` of `peoples_daily.write`. Returns the numbers of lines with names and of titles.
    """
    articles = [article.split("\n") for article in gold.read_text(encoding="utf-8").strip("\n").split("\n\n")]
    of_split = {split: [one for one in articles if split_of("".join(one)) == split] for split in SPLITS}
    entities = {split: [row for one in chosen for row in entity_rows(one)] for split, chosen in of_split.items()}
    titles = {split: list(title_rows(chosen)) for split, chosen in of_split.items()}
    for name, header, rows in (("entities", "text_a\tlabel", entities), ("titles", "text_a\ttext_b\tlabel", titles)):
        for split in SPLITS:
            with written_whole(out / f"{name}_{split}.tsv") as file:
                file.writelines(f"{line}\n" for line in (header, *rows[split]))
    return sum(map(len, entities.values())), sum(map(len, titles.values()))


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


def title_rows(articles: list[list[str]]) -> Iterator[str]:
    """The first line of each article beside the beginning of its text (`match`) or of another's (`other`), in turn."""
    texts = [[untagged(line) for line in article] for article in articles]
    pairs = [(text[0], "".join(text[1:])[:LONGEST_BODY]) for text in texts]
    pairs = sorted(pair for pair in pairs if len(pair[1]) >= SHORTEST_BODY)
    pairs.sort(key=lambda pair: keyed_hash("title", *pair))
    for number, (title, body) in enumerate(pairs):
        if number % 2:
            yield f"{title}\t{body}\tmatch"
        else:
            other = next(islice(pairs, (number + 1) % len(pairs), None))
            yield f"{title}\t{other[1]}\tother"
