"""The demo corpora: the texts of the packages in our input formats."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from data_builders.demo import labelled_tasks, peoples_daily, reviews, wikipedia
from data_builders.demo.labelled_tasks import SPLITS
from data_builders.demo.peoples_daily import split_articles, untagged
from data_builders.readers.mediawiki import MediaWikiReader


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    peoples_daily.write(folder / "peoples_daily")
    reviews.write(folder / "reviews")
    return folder


def test_the_gold_tags_match_the_raw_text_line_by_line(corpora: Path) -> None:
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


@pytest.fixture(scope="module")
def tasks(corpora: Path) -> Path:
    labelled_tasks.write_newspaper(corpora / "peoples_daily" / "gold.txt", corpora / "tasks")
    return corpora / "tasks"


def test_names_are_tagged_as_the_gold_tags_say(corpora: Path, tasks: Path) -> None:
    names: Counter[str] = Counter()
    characters = 0
    for split in ("train", "dev", "test"):
        rows = (tasks / f"entities_{split}.tsv").read_text(encoding="utf-8").split("\n")[1:-1]
        for text, tags in (row.split("\t") for row in rows):
            tokens, labels = text.split("\x02"), tags.split("\x02")
            assert len(tokens) == len(labels) and all(len(token) == 1 for token in tokens)
            names.update(label for label in labels if label.startswith("B-"))
            for before, label in zip(["O", *labels], labels, strict=False):
                assert not label.startswith("I-") or before[1:] == label[1:]
            characters += len(tokens)
    gold = (corpora / "peoples_daily" / "gold.txt").read_text(encoding="utf-8")
    words = Counter(item.rpartition("/")[2] for item in gold.split())
    assert (names["B-LOC"], names["B-ORG"]) == (words["ns"], words["nt"])
    assert words["nr"] / 2 < names["B-PER"] < words["nr"]  # a surname and its given name are two words, one person
    assert characters == len("".join((corpora / "peoples_daily" / "articles.txt").read_text(encoding="utf-8").split()))


def test_only_the_articles_of_the_training_split_are_in_the_corpus_of_pre_training(corpora: Path, tasks: Path) -> None:
    corpus = set((corpora / "peoples_daily" / peoples_daily.TRAIN).read_text(encoding="utf-8").split("\n"))
    lines = {"".join(line.split()) for line in corpus}
    for split in SPLITS:
        rows = (tasks / f"entities_{split}.tsv").read_text(encoding="utf-8").split("\n")[1:-1]
        texts = [row.partition("\t")[0].replace("\x02", "") for row in rows]
        inside = sum(text in lines for text in texts if len(text) > 30)  # short lines are repeated in other articles
        assert inside == (sum(len(text) > 30 for text in texts) if split == "train" else 0)


def test_titles_match_their_own_texts_and_no_others(corpora: Path, tasks: Path) -> None:
    articles = (corpora / "peoples_daily" / "articles.txt").read_text(encoding="utf-8").strip("\n").split("\n\n")
    bodies = {
        (" ".join(title.split()), " ".join("".join(rest).split())[:200])
        for title, *rest in (article.split("\n") for article in articles)
    }
    seen: dict[str, set[str]] = {}
    for split in ("train", "dev", "test"):
        with open(tasks / f"titles_{split}.tsv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        matches = sum(row["label"] == "match" for row in rows)
        assert abs(2 * matches - len(rows)) <= 1 and len(rows) > 100
        own = [(row["text_a"], row["text_b"]) in bodies for row in rows]
        assert sum(found != (row["label"] == "match") for found, row in zip(own, rows, strict=True)) < 0.01 * len(rows)
        seen[split] = {row["text_b"] for row in rows}
    assert len(seen["test"] & seen["train"]) < 0.02 * len(seen["test"])


@pytest.fixture(scope="module")
def encyclopedia(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wikipedia")
    pages = wikipedia.write_dump(folder)
    wikipedia.write(pages, folder)
    counts = labelled_tasks.write_wikipedia(pages, folder)
    assert counts == {name: sum(len(rows_of(folder, name, split)) for split in SPLITS) for name in counts}
    return folder


def rows_of(folder: Path, name: str, split: str) -> list[dict[str, str]]:
    with open(folder / f"{name}_{split}.tsv", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_pages_of_the_wikipedia_are_in_one_split_each(encyclopedia: Path) -> None:
    titles = {}
    for split in SPLITS:
        rows = rows_of(encyclopedia, "titles_en", split)
        titles[split] = {row["text_a"] for row in rows}
        assert len(rows) > 100 and all(20 <= len(row["text_b"]) <= 200 for row in rows)
    assert not titles["train"] & (titles["dev"] | titles["test"])


def test_only_the_names_of_training_pages_are_in_the_corpus_of_pre_training(encyclopedia: Path) -> None:
    corpus = "".join((encyclopedia / wikipedia.TRAIN).read_text(encoding="utf-8").lower().split())
    for split in SPLITS:
        rows = rows_of(encyclopedia, "names", split)
        inside = [row["text_a"].replace("\x02", "") in corpus for row in rows]
        assert len(rows) > 50 and all(found == (split == "train") for found in inside)


def test_names_are_the_links_in_capitals() -> None:
    text = (
        "In [[Paris]], [[New York City|''New'' York]] and the [[Seine|river]] [[fish]]ers saw [[File:a.jpg|thumb|Big]] "
        "[[Category:Fish]][[fr:Paris]] [[Rome]]ans and [[art]]; Berlin was far away. " + "[[Oslo]] " * 9
    )
    paragraphs = wikipedia.MarkedNamesReader().paragraphs(text)
    (row,) = labelled_tasks.name_rows(paragraphs)
    words, tags = (column.split("\x02") for column in row.split("\t"))
    names = [word for word, tag in zip(words, tags, strict=True) if tag == "I-NAME"]
    assert names == ["paris", "new", "york", "rome", *["oslo"] * 9]
    assert [wikipedia.unmarked(paragraph) for paragraph in paragraphs] == MediaWikiReader().paragraphs(text)


def test_texts_with_few_names_and_short_ones_are_left_out() -> None:
    name, other = "\x03Oslo\x04 ", "word "
    texts = {"few": name * 3 + other * 22, "short": name * 19, "enough": name * 3 + other * 21, "long": name * 100}
    rows = {which: list(labelled_tasks.name_rows([text])) for which, text in texts.items()}
    assert not rows["few"] and not rows["short"] and len(rows["enough"]) == 1
    assert rows["long"][0].count("oslo") == 80
