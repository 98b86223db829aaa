"""Labelled tasks from the demo corpora: entities by gold tags, names by links, and matching of titles and texts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tokenizers.pre_tokenizers import BertPreTokenizer

from data_builders.annotation.chinese import ORGANISATION, PERSON, PLACE
from data_builders.annotation.measuring import tagged_words
from data_builders.demo.peoples_daily import split_of_article, untagged
from data_builders.demo.reviews import split_of
from data_builders.demo.wikipedia import CLOSE, OPEN, Page, split_of_page, unmarked
from ernie_paddle.files import atomic_write, read_text
from ernie_paddle.keyed_random import keyed_hash

TAGS = {PERSON: "PER", PLACE: "LOC", ORGANISATION: "ORG"}  # of MSRA-NER
SEPARATOR = "\x02"  # between tokens and between tags, in the release's MSRA-NER files
SPLITS = ("train", "dev", "test")
PAIRS = "text_a\ttext_b\tlabel"
MAX_TEXT_LENGTH = 200  # characters of a text beside a title
MIN_TEXT_LENGTH = 20
MIN_NAME_WORDS, MAX_NAME_WORDS = 20, 80  # words of a text with names
LEAST_NAMES = 1 / 8  # of the words; editors link a name once, so text with few links has names without one


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
        split = split_of_article(article)
        entities[split] += entity_rows(article)
        title, *paragraphs = map(untagged, article)
        pairs[split].append((title, "".join(paragraphs)))
    titles = {split: list(title_rows(split_pairs)) for split, split_pairs in pairs.items()}
    return {
        "entities": write_rows(out, "entities", "text_a\tlabel", entities),
        "titles": write_rows(out, "titles", PAIRS, titles),
    }


def write_wikipedia(pages: Sequence[Page], out: Path) -> dict[str, int]:
    """Write `titles_en_<split>.tsv` and `names_<split>.tsv`; a page is in one split.

    Titles are beside paragraphs of pages. The pages of `names_dev.tsv` and `names_test.tsv` are not in the corpus
    `wikipedia.TRAIN`.
    """
    pairs: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    names: dict[str, list[str]] = {split: [] for split in SPLITS}
    for title, paragraphs in pages:
        pairs[split_of(title)] += [(title, unmarked(paragraph)) for paragraph in paragraphs]
        names[split_of_page(title)] += name_rows(paragraphs)
    titles = {split: list(title_rows(split_pairs)) for split, split_pairs in pairs.items()}
    mixed = {split: sorted(rows, key=lambda row: keyed_hash("names", row)) for split, rows in names.items()}
    return {
        "titles_en": write_rows(out, "titles_en", PAIRS, titles),
        "names": write_rows(out, "names", "text_a\tlabel", mixed),
    }


def write_rows(out: Path, name: str, header: str, rows: Mapping[str, Sequence[str]]) -> int:
    """Write the rows of each split to `<name>_<split>.tsv` and return their number."""
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


def name_rows(paragraphs: Sequence[str]) -> Iterator[str]:
    """Yield the beginnings of marked paragraphs with many names, as lower-cased words and their tags.

    The tags are `I-NAME` and `O`, so names without a word between them are one.
    """
    for paragraph in paragraphs:
        words, tags, inside = list[str](), list[str](), False
        for part in re.split(f"([{OPEN}{CLOSE}])", paragraph):
            if part in (OPEN, CLOSE):
                inside = part == OPEN
                continue
            found = [word.lower() for word, _ in BertPreTokenizer().pre_tokenize_str(part)]
            words += found
            tags += ["I-NAME" if inside else "O"] * len(found)
        words, tags = words[:MAX_NAME_WORDS], tags[:MAX_NAME_WORDS]
        if len(words) >= MIN_NAME_WORDS and len(tags) - tags.count("O") >= LEAST_NAMES * len(tags):
            yield "\t".join(map(SEPARATOR.join, (words, tags)))


def title_rows(pairs: list[tuple[str, str]]) -> Iterator[str]:
    """Yield titles alternately beside a text with another title (`other`) and beside their own text (`match`)."""
    clean = sorted((" ".join(title.split()), " ".join(text.split())[:MAX_TEXT_LENGTH]) for title, text in pairs)
    mixed = [pair for pair in clean if len(pair[1]) >= MIN_TEXT_LENGTH]
    mixed.sort(key=lambda pair: keyed_hash("title", *pair))
    for number, (title, text) in enumerate(mixed):
        others = (pair[1] for pair in mixed[number + 1 :] + mixed if pair[0] != title)
        other = next(others, None) if number % 2 == 0 else None
        yield f"{title}\t{other or text}\t{'other' if other else 'match'}"
