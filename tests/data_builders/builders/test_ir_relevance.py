"""IR relevance against a recount from real documents and a slow BM25, and against the rows of a log."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_text_support import RealText

from data_builders.annotation.annotator import Annotator
from data_builders.annotation.document import ORDINARY_WORD, AnnotatedDocument, Columns
from data_builders.build import BuildSettings, build
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.data.shards import SPLITS, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.registry import load_plugins

Ids = tuple[int, ...]
HARD_RANKS = 5
ROOM = 40  # tokens of a query, and of a title


def triples(folder: Path, split: str) -> Iterator[tuple[int, Ids, Ids]]:
    """Label, query and title of each sample."""
    table = SampleTable.open(folder, split)
    for row in range(len(table)):
        block = table.take(np.array([row]))
        ids, segment = block.columns["input_ids"], block.columns["sentence_ids"]
        query, title = (tuple(ids[segment == n].tolist()) for n in range(2))
        yield int(block.labels[0]), query[1:-1], title[:-1]


def words_of(columns: Columns) -> list[tuple[int, int, Ids]]:
    """The ordinary words: first token, token after the last, ids."""
    begins = [*np.flatnonzero(columns.of("word_codes") == 0).tolist(), columns.tokens]
    ids, classes = columns.of("input_ids").tolist(), columns.of("word_classes").tolist()
    return [(a, b, tuple(ids[a:b])) for a, b in pairwise(begins) if classes[a] == ORDINARY_WORD]


def is_in(part: Ids, whole: Ids) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


@pytest.fixture(scope="module")
def documents(real_text: RealText) -> dict[Ids, AnnotatedDocument]:
    """Documents of both languages by their titles' ids."""
    found: dict[Ids, AnnotatedDocument] = {}
    for language, source in real_text.sources.items():
        annotator = Annotator(real_text.vocabulary, language)
        for document in source.documents():
            annotated = annotator.annotate([document]).document(0, 0)
            title = tuple(annotated.title.of("input_ids").tolist())
            assert title not in found
            found[title] = annotated
    return found


def slow_ranks(query: set[Ids], titles: dict[Ids, list[Ids]]) -> list[tuple[float, Ids]]:
    """Titles with a word of the query by their BM25 score (k1 = 1.5, b = 0.75), best first."""
    mean = sum(map(len, titles.values())) / len(titles)
    frequency = Counter(word for words in titles.values() for word in set(words))
    scores: dict[Ids, float] = defaultdict(float)
    for title, words in titles.items():
        for word in query & set(words):
            inverse = math.log(1 + (len(titles) - frequency[word] + 0.5) / (frequency[word] + 0.5))
            count = words.count(word)
            scores[title] += inverse * count / (count + 1.5 * (0.25 + 0.75 * len(words) / mean))
    return sorted(((score, title) for title, score in scores.items()), reverse=True)


def test_each_query_comes_with_its_own_a_similar_and_any_other_title(
    real_text: RealText, documents: dict[Ids, AnnotatedDocument]
) -> None:
    by_start = {title[:n]: title for title in documents for n in range(1, len(title) + 1)}
    splits = {split: list(triples(real_text.shards / "ir_relevance", split)) for split in SPLITS}
    own_titles = {split: {title for label, _, title in found if label == 0} for split, found in splits.items()}
    assert not own_titles["train"] & own_titles["validation"]
    checked = 0
    for found in splits.values():
        assert [label for label, _, _ in found] == [0, 1, 2] * (len(found) // 3)
        for (_, query, own), (_, second, hard), (_, third, far) in zip(
            found[::3], found[1::3], found[2::3], strict=True
        ):
            assert query == second == third and len({own, hard, far}) == 3 and {own, hard, far} <= by_start.keys()
            assert max(map(len, (query, own, hard, far))) <= ROOM
            full = by_start[own]
            body = tuple(documents[full].columns.of("input_ids").tolist())
            assert is_in(query, body) and not is_in(full, query)
            assert len(own) == len(full) or len(full) > ROOM
            checked += 1
    assert checked > 80


def test_the_similar_title_is_among_the_best_of_a_slow_bm25(
    real_text: RealText, documents: dict[Ids, AnnotatedDocument]
) -> None:
    """Over the titles of one language that are in training; a query's words are looked up where it stands."""
    held_out = {title for label, _, title in triples(real_text.shards / "ir_relevance", "validation") if label == 0}
    starts = {title[:n]: title for title in documents for n in range(1, len(title) + 1)}
    found = list(triples(real_text.shards / "ir_relevance", "train"))
    languages = [{title for title, d in documents.items() if (d.columns.of("capitalization") >= 0).mean() < 0.5}]
    languages.append(set(documents) - languages[0])
    pairs = list(zip(found[::3], found[1::3], strict=True))[:40]
    assert len(pairs) == 40
    for (_, query, own), (_, _, hard) in pairs:
        language = next(titles for titles in languages if starts[own] in titles)
        titles = {title: [ids for *_, ids in words_of(documents[title].title)] for title in language - held_out}
        document = documents[starts[own]]
        body = tuple(document.columns.of("input_ids").tolist())
        place = next(i for i in range(len(body)) if body[i : i + len(query)] == query)
        words = {ids for a, _, ids in words_of(document.columns) if place <= a < place + len(query)}
        ranked = [(score, title) for score, title in slow_ranks(words, titles) if title != starts[own]]
        score = {title: score for score, title in ranked}[starts[hard]]
        worst = ranked[: HARD_RANKS + 3][-1][0]  # documents that gave no sample are in one of the two lists only
        assert score >= worst * 0.9, (score, worst)


# ---- from a log ----


def build_log(real_text: RealText, folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    log = folder / "log.tsv"
    log.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    settings: dict[str, Any] = {
        **real_text.settings,
        "corpora": {"log": {"path": str(log), "format": "query_titles", "language": "zh"}},
        "tasks": {"ir_relevance": {"corpora": ["log"]}},
    }
    build(check_settings(BuildSettings, settings, "settings"), folder / "shards", Processes(1), load_plugins())
    return folder / "shards" / "ir_relevance"


def rows_of(real_text: RealText) -> list[tuple[str, str, str]]:
    """A log over real titles: three queries in four were clicked once, all were shown two other titles."""
    titles = [document.title or "" for document in real_text.sources["zh"].documents()][:80]
    rows = []
    for i, title in enumerate(titles):
        query = f"{title[1:5]}第{i}"
        rows += [(query, titles[i - 1], "shown"), (query, titles[i - 2], "shown")]
        rows += [(query, title, "clicked")] if i % 4 else []
    return rows


def test_rows_of_a_log_become_the_samples_that_they_say(real_text: RealText, tmp_path: Path) -> None:
    tokenizer = real_text.vocabulary.tokenizer()
    encoded = {
        text: tuple(tokenizer.encode(text, add_special_tokens=False).ids)
        for row in rows_of(real_text)
        for text in row[:2]
    }
    rows = {(encoded[query][:ROOM], encoded[title][:ROOM]): label for query, title, label in rows_of(real_text)}
    folder = build_log(real_text, tmp_path, rows_of(real_text))
    counts: Counter[int] = Counter()
    queries: dict[str, set[Ids]] = {}
    for split in SPLITS:
        found = list(triples(folder, split))
        queries[split] = {query for _, query, _ in found}
        for label, query, title in found:
            counts[label] += 1
            said = rows.get((query, title))
            assert said == {0: "clicked", 1: "shown"}.get(label, said)
            assert label != 2 or any(title == t for q, t in rows if q != query)
    assert not queries["train"] & queries["validation"], "a query is in one split with all its titles"
    assert counts[0] == counts[2] and abs(counts[1] - counts[0]) < 5 * counts[0] ** 0.5 and counts[0] > 40


def test_a_title_that_was_shown_or_clicked_for_a_query_is_never_its_random_one(
    real_text: RealText, tmp_path: Path
) -> None:
    """A log with few titles, of which each query was shown half, in rows that repeat and contradict one another."""
    titles = [document.title or "" for document in real_text.sources["zh"].documents()][:24]
    rows = [("\ufffd", titles[0], "clicked"), (titles[0], "\ufffd", "shown")]  # nothing to be read
    for i in range(160):
        query = f"{titles[i % 24][1:5]}第{i % 120}"
        choice = [titles[(7 * i + k * k) % 24] for k in range(12)]
        rows += [(query, title, "shown") for title in choice]
        rows += [(query.replace("第", " 第 "), title, "clicked") for title in choice[i % 3 : 5]]
    said: dict[Ids, dict[Ids, set[str]]] = defaultdict(lambda: defaultdict(set))
    tokenizer = real_text.vocabulary.tokenizer()
    for row in rows:
        query, title = (tuple(tokenizer.encode(text, add_special_tokens=False).ids[:ROOM]) for text in row[:2])
        said[query][title].add(row[2])
    folder = build_log(real_text, tmp_path, rows)
    counts: Counter[int] = Counter()
    queries = {}
    for split in SPLITS:
        found = list(triples(folder, split))
        queries[split] = {query for _, query, _ in found}
        for label, query, title in found:
            counts[label] += 1
            expected = {0: {"clicked"}, 1: {"shown"}, 2: set()}[label]
            assert said[query][title] - ({"shown"} if label == 0 else set()) == expected, (label, query, title)
    assert counts[0] == counts[2] > 100 and counts[1] > 100
    assert not queries["train"] & queries["validation"], "queries that differ in blanks alone are one"


def test_titles_of_several_documents_are_one_title(real_text: RealText, tmp_path: Path) -> None:
    """Every title stands over three documents, once in full-width letters, and some differ only after their cut."""
    documents = list(real_text.sources["zh"].documents())[:90]
    long = "".join((document.title or "") for document in documents[:20])
    rows = []
    for i, document in enumerate(documents):
        title = f"{documents[i // 3].title}Abc" if i % 9 else f"{long}{i}"
        title = title.replace("Abc", "ABC") if i % 3 else title
        rows.append({"title": title, "text": "\n".join(document.paragraphs)})
    path = tmp_path / "zh.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tree = {
        **real_text.settings,
        "corpora": {"zh": {"path": str(path), "format": "jsonl", "language": "zh"}},
        "tasks": {"ir_relevance": {"corpora": ["zh"], "options": {"queries_per_document": 3}}},
    }
    build(check_settings(BuildSettings, tree, "settings"), tmp_path / "shards", Processes(1), load_plugins())
    groups = 0
    for split in SPLITS:
        found = list(triples(tmp_path / "shards" / "ir_relevance", split))
        for own, hard, far in zip(found[::3], found[1::3], found[2::3], strict=True):
            assert len({own[2], hard[2], far[2]}) == 3
            groups += 1
    assert groups > 40


def test_a_log_without_one_of_the_kinds_is_refused(real_text: RealText, tmp_path: Path) -> None:
    rows = [(query, title, "shown") for query, title, _ in rows_of(real_text)]
    with pytest.raises(UserError, match="no row of the log says 'clicked'"):
        build_log(real_text, tmp_path, rows)
    settings = {
        **real_text.settings,
        "corpora": {"log": {"path": str(tmp_path / "log.tsv"), "format": "query_titles", "language": "zh"}},
        "tasks": {"discourse_relation": {"corpora": ["log"]}},
    }
    with pytest.raises(UserError, match="'log' holds pairs of the format 'query_titles', the task takes 'discourse_"):
        build(check_settings(BuildSettings, settings, "s"), tmp_path / "out", Processes(1), load_plugins())
