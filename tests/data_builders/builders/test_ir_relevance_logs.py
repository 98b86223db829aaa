"""IR relevance from the log of a search engine: which rows become samples, and of which class."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from ir_relevance_support import MAX_LENGTH, ROOM, Ids, composed, triples
from real_text_support import RealText
from traced_corpora import VOCABULARY, Written

from data_builders.build import build
from data_builders.builders.ir_relevance import IrRelevanceBuilder, IrRelevanceOptions
from data_builders.corpora_config import BuildSettings
from data_builders.readers.pairs import CLICKED, SHOWN
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.data.shards import SPLITS
from ernie_paddle.errors import UserError
from ernie_paddle.registry import load_plugins


def test_the_more_frequent_rows_of_a_log_are_subsampled_to_the_number_of_the_others(tmp_path: Path) -> None:
    """The numbers agree within four standard errors of a binomial distribution."""
    for kind, other in ((CLICKED, SHOWN), (SHOWN, CLICKED)):
        labels = [kind if i % 4 else other for i in range(2400)]
        rows = [Written([[100 + i, 5], [3000 + i, 6]], label=label, second=i) for i, label in enumerate(labels)]
        counts = Counter(
            label for label, _, _ in composed(tmp_path / kind, rows, IrRelevanceOptions(), Counter(labels))
        )
        kept, thinned = (counts[1], counts[0]) if kind == CLICKED else (counts[0], counts[1])
        assert kept == 600 and counts[0] == counts[2]
        assert abs(thinned - 600) < 4 * (1800 / 3 * 2 / 3) ** 0.5


@pytest.mark.parametrize("missing", [CLICKED, SHOWN])
def test_a_log_needs_rows_of_both_kinds(missing: str) -> None:
    builder = IrRelevanceBuilder(MAX_LENGTH, IrRelevanceOptions(), VOCABULARY)
    with pytest.raises(UserError, match=f"the log has no row '{missing}'"):
        builder.fit(Counter({CLICKED: 5, SHOWN: 5} | {missing: 0}))


def test_what_is_the_same_after_its_cut_is_the_same_query_and_title(tmp_path: Path) -> None:
    """There are four queries and two titles for each, in rows that differ only after the cut."""
    rows = []
    for i in range(200):
        query = [*range(100 + 20 * (i % 4), 120 + 20 * (i % 4)), 1000 + i]
        title = [*range(200 + 20 * (i % 8), 220 + 20 * (i % 8)), 2000 + i]
        rows.append(Written([query, title], label=SHOWN if i % 9 == 0 else CLICKED, group=i, second=i))
    found = composed(tmp_path, rows, IrRelevanceOptions(), Counter({CLICKED: 1, SHOWN: 1}))
    room = (MAX_LENGTH - 3) // 2
    own = [(query, title) for label, query, title in found if label == 0]
    far = [(query, title) for label, query, title in found if label == 2]
    assert len(own) == len(far) == len([row for row in rows if row.label == CLICKED])
    assert {len(query) for query, _ in own} == {len(title) for _, title in own} == {room}
    asked = {tuple(row.sentences[1][:room]): set[Ids]() for row in rows}
    for row in rows:
        asked[tuple(row.sentences[1][:room])].add(tuple(row.sentences[0][:room]))
    for (query, title), (same, other) in zip(own, far, strict=True):
        assert query == same and other != title and asked[other] - {query}


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
    """Return a log of real titles: three in four queries have a clicked title, all have two shown titles."""
    titles = [document.title or "" for document in real_text.sources["zh"].documents()][:80]
    rows = []
    for i, title in enumerate(titles):
        query = f"{title[1:5]}第{i}"
        rows += [(query, titles[i - 1], "shown"), (query, titles[i - 2], "shown")]
        rows += [(query, title, "clicked")] if i % 4 else []
    return rows


def test_rows_of_a_log_become_samples_of_their_class(real_text: RealText, tmp_path: Path) -> None:
    tokenizer = real_text.vocabulary.tokenizer
    encoded = {
        text: tuple(tokenizer.encode(text, add_special_tokens=False).ids)
        for row in rows_of(real_text)
        for text in row[:2]
    }
    rows = {(encoded[query][:ROOM], encoded[title][:ROOM]): label for query, title, label in rows_of(real_text)}
    folder = build_log(real_text, tmp_path, rows_of(real_text))
    counts: Counter[int] = Counter()
    queries: dict[str, set[Ids]] = {}
    titles: dict[str, set[Ids]] = {}
    for split in SPLITS:
        found = list(triples(folder, split))
        queries[split] = {query for _, query, _ in found}
        titles[split] = {title for label, _, title in found if label == 2}
        for label, query, title in found:
            counts[label] += 1
            assert rows.get((query, title)) == (CLICKED, SHOWN, None)[label]
    assert not queries["train"] & queries["validation"], "a query is in one split with all its titles"
    for split, other in (SPLITS, SPLITS[::-1]):
        near = {title for query, title in rows if query not in queries[other]}
        assert titles[split] and titles[split] <= near, "random titles are those of the same split"
    assert counts[0] == counts[2] > 40 and counts[1] > 0


def test_a_title_that_was_shown_or_clicked_for_a_query_is_never_its_random_one(
    real_text: RealText, tmp_path: Path
) -> None:
    """A log with few titles, half of which were shown for each query, in repeated and contradictory rows."""
    titles = [document.title or "" for document in real_text.sources["zh"].documents()][:24]
    rows = [("\ufffd", titles[0], "clicked"), (titles[0], "\ufffd", "shown")]  # nothing to be read
    for i in range(160):
        query = f"{titles[i % 24][1:5]}第{i % 120}"
        choice = [titles[(7 * i + k * k) % 24] for k in range(12)]
        rows += [(query, title, "shown") for title in choice]
        rows += [(query.replace("第", " 第 "), title, "clicked") for title in choice[i % 3 : 5]]
    said: dict[Ids, dict[Ids, set[str]]] = defaultdict(lambda: defaultdict(set))
    tokenizer = real_text.vocabulary.tokenizer
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


def test_pairs_of_another_task_are_refused(real_text: RealText, tmp_path: Path) -> None:
    settings = {
        **real_text.settings,
        "corpora": {"log": {"path": str(tmp_path / "log.tsv"), "format": "query_titles", "language": "zh"}},
        "tasks": {"discourse_relation": {"corpora": ["log"]}},
    }
    with pytest.raises(UserError, match="'log' holds pairs of the format 'query_titles', the task takes 'discourse_"):
        build(check_settings(BuildSettings, settings, "s"), tmp_path / "out", Processes(1), load_plugins())
