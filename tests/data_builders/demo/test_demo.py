"""The demo corpora: what the packages carry, in our input formats."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from data_builders.demo import peoples_daily, reviews
from data_builders.demo.peoples_daily import split_articles, untagged


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    peoples_daily.write(folder / "peoples_daily")
    reviews.write(folder / "reviews")
    return folder


def test_the_gold_tags_stand_beside_the_raw_text_line_for_line(corpora: Path) -> None:
    raw = (corpora / "peoples_daily" / "articles.txt").read_text(encoding="utf-8").split("\n")
    gold = (corpora / "peoples_daily" / "gold.txt").read_text(encoding="utf-8").split("\n")
    assert len(raw) == len(gold) > 20_000
    assert all(untagged(tagged) == line for line, tagged in zip(raw, gold, strict=True))
    assert not any("/" in word and word.rsplit("/", 1)[1].isalpha() for line in raw[:2000] for word in line.split())


def test_an_article_begins_with_a_headline() -> None:
    lines = [
        "标题/n",
        "正文/n 。/w",
        "又/d 一/m 句/q 。/w",
        "",
        "新/a 标题/n",
        "（/w 附/v 图/n ）/w",
        "记者/n",
        "正文/n 。/w",
    ]
    assert list(split_articles(lines)) == [lines[:3], lines[4:]]


def test_reviews_are_balanced_and_in_one_split_each(corpora: Path) -> None:
    seen: dict[str, str] = {}
    labels: Counter[str] = Counter()
    for split in ("train", "dev", "test"):
        with open(corpora / "reviews" / f"{split}.tsv", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                assert seen.setdefault(row["text_a"], split) == split
                labels[row["label"]] += 1
    assert labels["positive"] == labels["negative"] == len(seen) / 2 > 5000


def test_the_unlabelled_reviews_are_those_of_the_training_split(corpora: Path) -> None:
    unlabelled = (corpora / "reviews" / "train.txt").read_text(encoding="utf-8").split("\n\n")
    with open(corpora / "reviews" / "train.tsv", encoding="utf-8") as file:
        texts = [row["text_a"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    assert [text.strip() for text in unlabelled] == texts
