"""The pool from which negatives are sampled."""

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from real_text_support import RealText
from traced_corpora import Written, write_corpus

from data_builders.annotation import store
from data_builders.annotation.annotated_corpus import AnnotatedCorpus
from data_builders.build import build
from data_builders.builders import builder
from data_builders.builders.builder import Pool, PoolCorpus
from data_builders.corpora_config import BuildSettings
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.keyed_random import generator
from ernie_paddle.registry import load_plugins


@pytest.fixture
def corpus(real_text: RealText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnnotatedCorpus:
    """Return the Chinese documents, annotated in many small work items."""
    monkeypatch.setattr(store, "CHARACTERS_PER_WORK_ITEM", 2000)
    tree = {**real_text.settings, "tasks": {"knowledge_masking": {"corpora": ["zh"]}}}
    build(check_settings(BuildSettings, tree, "settings"), tmp_path, Processes(1), load_plugins())
    return AnnotatedCorpus.open(tmp_path / "annotated" / "zh")


def test_documents_are_sampled_by_their_sentences_without_the_excluded_one(corpus: AnnotatedCorpus) -> None:
    pool, document = Pool([PoolCorpus(corpus, np.arange(len(corpus)))]), corpus.document(5)
    sampled = Counter(other.index for other in islice(pool.others(document, 3, "corpus", generator(1)), 80_000))
    counts = corpus.sentence_counts
    assert 5 not in sampled and set(sampled) == {i for i in range(len(corpus)) if counts[i] >= 3 and i != 5}
    expected = {i: 80_000 * counts[i] / counts[sorted(sampled)].sum() for i in sampled}
    distance = sum((sampled[i] - expected[i]) ** 2 / expected[i] for i in sampled)  # chi-squared
    assert abs(distance - len(sampled)) < 4 * (2 * len(sampled)) ** 0.5


def test_corpora_are_sampled_by_all_their_sentences_however_few_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some work items of a large corpus are sampled and all of a small one; the weights count all sentences of both."""
    monkeypatch.setattr(builder, "SAMPLED_DOCUMENTS", 60)
    for token, (name, size) in enumerate((("small", 50), ("large", 600)), 5):
        write_corpus(tmp_path / name, [Written([[token]] * (2 + i % 3)) for i in range(size)])
    corpora = [AnnotatedCorpus.open(tmp_path / name) for name in ("small", "large")]
    pool = Pool([PoolCorpus(corpus, np.arange(len(corpus))) for corpus in corpora])
    sampled = Counter[int]()
    for key in range(40):
        others = pool.sample(generator(key)).others(corpora[0].document(0), 3, "language", generator(key, "draw"))
        found = [(int(other.columns.of("input_ids")[0]), other.index) for other in islice(others, 250)]
        sampled.update(token for token, _ in found)
        assert 30 < len({index for token, index in found if token == 6}) <= 60, "so many are at hand"
    small, large = (counts[counts >= 3].sum() for counts in (corpus.sentence_counts for corpus in corpora))
    assert abs(sampled[6] / 10_000 - large / (small + large)) < 0.015


def test_each_sampled_pool_has_some_work_items_and_all_together_have_the_whole_corpus(
    corpus: AnnotatedCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "SAMPLED_DOCUMENTS", 12)
    assert corpus.work_items > 20
    whole = Pool([PoolCorpus(corpus, np.arange(1, len(corpus)))])  # the first is of the other split
    document = corpus.document(3)
    seen: Counter[int] = Counter()
    for key in range(120):
        found = {
            o.index for o in islice(whole.sample(generator(key)).others(document, 1, "corpus", generator(key)), 60)
        }
        work_items = set(np.searchsorted(corpus.work_item_offsets, sorted(found), side="right"))
        assert 0 not in found and len(work_items) < corpus.work_items / 3
        seen.update(found)
    assert len(seen) > 0.95 * (len(corpus) - 2)
    same = [list(islice(whole.sample(generator(7)).others(document, 1, "corpus", generator(8)), 9)) for _ in range(2)]
    assert [o.index for o in same[0]] == [o.index for o in same[1]], "the same key gives the same documents"


def test_a_neighbourhood_is_that_of_the_whole_pool(corpus: AnnotatedCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "SAMPLED_DOCUMENTS", 5)
    documents = np.arange(0, len(corpus), 2)
    pool = Pool([PoolCorpus(corpus, documents)])
    blocks = [pool.sample(generator(1)).titled_block(corpus.document(int(i)), 16).tolist() for i in documents]
    assert all(i in block for i, block in zip(documents, blocks, strict=True))
    assert sorted({i for block in blocks for i in block}) == documents.tolist()
    assert max(map(len, blocks)) == 16
