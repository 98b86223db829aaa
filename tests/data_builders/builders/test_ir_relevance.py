"""IR relevance against a recount from real documents and a slow BM25."""

import json
import math
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ir_relevance_support import MAX_LENGTH, ROOM, Ids, composed, samples_of, triples
from real_text_support import RealText
from traced_corpora import VOCABULARY, Written, block_of, write_corpus

from data_builders.annotation.annotator import Annotator
from data_builders.annotation.document import (
    ORDINARY_WORD,
    AnnotatedBlock,
    AnnotatedDocument,
    TokenColumns,
    arrow_schema,
)
from data_builders.annotation.features import CAPITALIZATION
from data_builders.build import build
from data_builders.builders.ir_relevance import IrRelevanceBuilder, IrRelevanceOptions
from data_builders.builders.title_ranking import TitleRanking, ordinary_words
from data_builders.composing import ComposeWorkItem, WorkItem
from data_builders.corpora_config import BuildSettings
from data_builders.documents import Document
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.data.shards import SPLITS
from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import toy_vocabulary

HARD_RANKS = 5


def words_of(columns: TokenColumns) -> list[tuple[int, int, Ids]]:
    """Return the ordinary words: the first token, the token after the last, and the ids of each."""
    begins = [*np.flatnonzero(columns.of("word_bi_tags") == 0).tolist(), columns.tokens]
    ids, classes = columns.of("input_ids").tolist(), columns.of("word_classes").tolist()
    return [(a, b, tuple(ids[a:b])) for a, b in pairwise(begins) if classes[a] == ORDINARY_WORD]


def is_in(part: Ids, whole: Ids) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


@pytest.fixture(scope="module")
def documents(real_text: RealText) -> dict[Ids, AnnotatedDocument]:
    """Documents of both languages by their titles' ids."""
    found: dict[Ids, AnnotatedDocument] = {}
    for language, source in real_text.sources.items():
        annotator = Annotator(real_text.vocabulary, language, features=(CAPITALIZATION,))
        for document in source.documents():
            annotated = annotator.annotate([document]).document(0, 0)
            title = tuple(annotated.title.of("input_ids").tolist())
            assert title not in found
            found[title] = annotated
    return found


def slow_ranks(query: Counter[Ids], titles: dict[Ids, list[Ids]]) -> list[tuple[float, Ids]]:
    """Titles with a word of the query by their BM25 score (k1 = 1.5, b = 0.75), best first."""
    mean = sum(map(len, titles.values())) / len(titles)
    frequency = Counter(word for words in titles.values() for word in set(words))
    scores: dict[Ids, float] = defaultdict(float)
    for title, words in titles.items():
        for word in query.keys() & set(words):
            inverse = math.log(1 + (len(titles) - frequency[word] + 0.5) / (frequency[word] + 0.5))
            count = words.count(word)
            scores[title] += query[word] * inverse * count / (count + 1.5 * (0.25 + 0.75 * len(words) / mean))
    return sorted(((score, title) for title, score in scores.items()), reverse=True)


def test_each_query_has_its_own_a_similar_and_a_random_title(
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
    """The ranking is over the training titles of one language; a query's words are those at its position."""
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
        words = Counter(ids for a, _, ids in words_of(document.columns) if place <= a < place + len(query))
        ranked = [(score, title) for score, title in slow_ranks(words, titles) if title != starts[own]]
        score = {title: score for score, title in ranked}[starts[hard]]
        worst = ranked[: HARD_RANKS + 3][-1][0]  # documents that gave no sample are in one of the two lists only
        assert score >= worst * 0.9, (score, worst)


# ---- from made-up documents, all of it recounted ----

WORDS = range(100, 160)
QUERY_ROOM, TITLE_ROOM = 13, 5


def without(title: Ids, query: Ids) -> Ids:
    """Remove a title from a query by definition: keep the longer side of it, the first of two equal sides."""
    for place in range(len(query) - len(title) + 1):
        if query[place : place + len(title)] == title:
            before, after = query[:place], query[place + len(title) :]
            return without(title, before if len(before) >= len(after) else after)
    return query


def made_documents() -> list[Written]:
    """Documents of few words, so that titles share some; every other sentence holds the title."""
    random, documents = np.random.default_rng(3), []
    titles = {tuple(random.choice(WORDS, random.integers(2, 8), replace=False).tolist()) for _ in range(200)}
    for title in sorted(titles):
        sentences = [random.choice(WORDS, random.integers(1, 25)).tolist() for _ in range(4)]
        for sentence in (sentences[0], *sentences[::2]):
            place = int(random.integers(len(sentence)))
            sentence[place:place] = title
        documents.append(Written(sentences, title=list(title)))
    # Ids whose bytes hold those of the title, but not where ids begin.
    shifted = [256 * 100 + 1, 256 * 101, 256 * 102]
    documents.append(Written([[*shifted, *WORDS[8 * i : 8 * i + 8]] for i in range(4)], title=[100, 101]))
    return documents


def test_titles_are_ranked_as_by_a_slow_bm25() -> None:
    """Titles are ordered by score, then by document; the excluded title is left out."""
    documents = made_documents()
    block = block_of([*documents, *documents[:20]])
    ranking = TitleRanking([block.document(number, number) for number in range(len(block))])
    titles = {
        (number, *block.document(number, 0).title.of("input_ids").tolist()): number for number in range(len(block))
    }
    words = {title: [(word,) for word in title[1:]] for title in titles}
    random = np.random.default_rng(1)
    for number in range(0, len(documents), 9):
        query = [*documents[number].title, *random.choice(WORDS, 3).tolist(), 29_000]
        columns = block_of([Written([query])]).document(0, 0).columns
        found = ranking.best(ordinary_words(columns), 30, block.document(number, 0).title)
        scored = [
            (-round(score, 5), titles[title])
            for score, title in slow_ranks(Counter((word,) for word in query), words)
            if title[1:] != tuple(documents[number].title)
        ]
        assert [title.index for title in found] == [place for _, place in sorted(scored)][:30] and len(found) == 30


def test_titles_are_ranked_by_their_words_in_any_case() -> None:
    texts = {"Deep Sea": "the HIGH mountain .", "High Mountain": "the deep SEA .", "The Forest": "the forest ."}
    words = sorted({word for pair in texts.items() for word in " ".join(pair).split()})
    annotator = Annotator(replace(toy_vocabulary(words), lower_case=False), "en")
    block = annotator.annotate([Document(title, [body], "en", "t", title=title) for title, body in texts.items()])
    block = AnnotatedBlock.from_arrow(block.to_arrow(arrow_schema(annotator.dtypes)))
    documents = [block.document(number, number) for number in range(3)]
    ranking = TitleRanking(documents)
    for number, expected in enumerate([[1], [0], []]):
        found = ranking.best(ordinary_words(documents[number].columns), 3, documents[number].title)
        assert [document.index for document in found] == expected


@pytest.mark.parametrize("size", [4096, 64])
def test_titles_of_documents_are_those_that_the_definition_gives(tmp_path: Path, size: int) -> None:
    """`size` is the number of titles among which similar ones are searched."""
    documents = made_documents()
    by_title = {tuple(document.title): document for document in documents}
    options = IrRelevanceOptions(title_tokens=TITLE_ROOM, query_tokens=40, queries_per_document=2, ranked_titles=size)
    blocks = [list(by_title)[start : start + size] for start in range(0, len(documents), size)]
    words = {title: {t: [(word,) for word in t] for t in block} for block in blocks for title in block}
    found = composed(tmp_path, documents, options)
    assert [label for label, _, _ in found] == [0, 1, 2] * (len(found) // 3)
    per_document, sentences, ranks = Counter[Ids](), Counter[int](), Counter[int]()
    for (_, query, own), (_, second, hard), (_, third, far) in zip(found[::3], found[1::3], found[2::3], strict=True):
        assert query == second == third and len({own, hard, far}) == 3
        assert max(map(len, (own, hard, far))) <= TITLE_ROOM and {hard, far} <= {title[:TITLE_ROOM] for title in words}
        places = {
            (title, place)
            for title, document in by_title.items()
            for place, sentence in enumerate(document.sentences)
            if title[:TITLE_ROOM] == own and without(title, tuple(sentence[:QUERY_ROOM])) == query
        }
        assert len(places) == 1, "the query is what a sentence holds before or after the title"
        [(title, place)] = places
        per_document[title] += 1
        sentences[place] += 1
        scored = slow_ranks(Counter((word,) for word in query), words[title])
        ranked = [(score, other) for score, other in scored if other != title]
        score = next(score for score, other in ranked if other[:TITLE_ROOM] == hard)
        rank = sum(other > score + 1e-6 for other, _ in ranked)
        assert rank < options.hard_ranks
        ranks[rank] += 1
    assert len(per_document) > 150 and max(per_document.values()) == 2
    lengths = [len(query) for _, query, _ in found]
    assert (min(lengths), max(lengths)) == (3, QUERY_ROOM) and max(len(t) for *_, t in found) == TITLE_ROOM
    for counted, share in ((ranks, 1 / 5), (sentences, 1 / 4)):  # each place comes as often as any other
        total = counted.total()
        assert all(abs(n - share * total) < 4 * (share * total) ** 0.5 for n in counted.values()), counted
        assert len(counted) == 1 / share


def test_the_titles_of_another_corpus_are_ranked_by_themselves(tmp_path: Path) -> None:
    """This holds after a worker has ranked the titles of another corpus with as many documents."""
    documents = made_documents()
    for name, titled in (("one", documents), ("two", documents[::-1])):
        write_corpus(tmp_path / name, titled, per_work_item=len(titled))
    digests = []
    for items in ([WorkItem(0, 0), WorkItem(1, 0)], [WorkItem(1, 0)]):
        builder = IrRelevanceBuilder(MAX_LENGTH, IrRelevanceOptions(), VOCABULARY)
        composing = ComposeWorkItem(builder, (), (tmp_path / "one", tmp_path / "two"), ("en", "en"), VOCABULARY, 1, 0.3)
        digests.append([composing(item).blocks["train"].digest() for item in items])
    assert digests[0][1:] == digests[1]


def test_random_titles_are_of_the_corpus_or_of_the_language(tmp_path: Path) -> None:
    documents = made_documents()
    names = {"own": "en", "kin": "en", "foreign": "zh"}
    for name, titled in zip(names, (documents[:40], documents[40:80], documents[80:]), strict=True):
        write_corpus(tmp_path / name, titled, per_work_item=len(titled))
    of = {tuple(d.title[:TITLE_ROOM]): i for i, part in enumerate((documents[:40], documents[40:80])) for d in part}
    for reach, expected in (("corpus", {0}), ("language", {0, 1})):
        options = IrRelevanceOptions.model_validate({"title_tokens": TITLE_ROOM, "random_titles": reach})
        builder = IrRelevanceBuilder(MAX_LENGTH, options, VOCABULARY)
        folders = tuple(tmp_path / name for name in names)
        found = samples_of(
            ComposeWorkItem(builder, (), folders, tuple(names.values()), VOCABULARY, 1, 1e-9), WorkItem(0, 0)
        )
        titles = [{of[title] for label, _, title in found if label == wanted} for wanted in range(3)]
        assert titles == [{0}, {0}, expected]


def test_equal_titles_of_several_documents_count_as_one_title(real_text: RealText, tmp_path: Path) -> None:
    """Each title is that of three documents, once in full-width letters; some titles differ only after the cut."""
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
