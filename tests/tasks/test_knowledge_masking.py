"""Masking units of text."""

import gzip

import numpy as np
from helpers import released

from ernie_paddle.data.batch import Batch, collate
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.registry import load_plugins
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from tasks.pretraining.knowledge_masking import mask_units

VOCABULARY = Vocabulary({token: i for i, token in enumerate([*SPECIAL_TOKENS, *(f"w{i}" for i in range(95))])})


def text(samples: int, length: int = 64) -> SampleBlock:
    random = np.random.default_rng(0)
    ids, codes = random.integers(5, 100, (samples, length)), (random.random((samples, length)) < 0.4).astype(int)
    ids[:, 0], ids[:, -1], codes[:, 1] = 1, 2, 0
    codes[:, [0, -1]] = -1
    return SampleBlock(np.full(samples, length), {"input_ids": ids.ravel(), "span_codes": codes.ravel()})


def batch_of(block: SampleBlock) -> Batch:
    return collate(block, np.arange(len(block)), pad_id=0, length_multiple=1)


def units_of(codes: np.ndarray) -> np.ndarray:
    """Number of the unit of each token, in the whole batch."""
    return np.cumsum(codes != 1).reshape(codes.shape)


def check_statistics(ids: np.ndarray, codes: np.ndarray, vocabulary: Vocabulary) -> None:
    chosen, masked = mask_units(ids, codes, np.arange(len(ids)), vocabulary, key=5)
    real = codes >= 0
    assert not chosen[~real].any() and (masked[~chosen] == ids[~chosen]).all()
    assert 0.14 < chosen[real].mean() < 0.16
    units = units_of(codes)
    whole = np.bincount(units.ravel(), chosen.ravel()) / np.bincount(units.ravel()).clip(1)
    assert set(np.unique(whole)) == {0.0, 1.0}
    kinds = (masked[chosen] == vocabulary.mask_id).mean(), (masked[chosen] == ids[chosen]).mean()
    assert 0.78 < kinds[0] < 0.82 and 0.08 < kinds[1] < 0.125
    replaced = masked[chosen & (masked != ids) & (masked != vocabulary.mask_id)]
    assert np.isin(replaced, vocabulary.ordinary_ids).all()


def test_15_percent_of_tokens_in_whole_units_80_10_10() -> None:
    batch = batch_of(text(600))
    check_statistics(batch.columns["input_ids"], batch.columns["span_codes"], VOCABULARY)


def test_the_same_on_the_samples_of_the_release() -> None:
    with gzip.open(released("demo_train_set.gz"), "rt") as file:
        fields = [line.split(";") for line, _ in zip(file, range(2000), strict=False)]
    rows = [(np.array(f[0].split(), int), np.array(f[3].split(), int)) for f in fields]
    ids, codes = (np.concatenate([row[i] for row in rows]) for i in range(2))
    block = SampleBlock(np.array([len(row[0]) for row in rows]), {"input_ids": ids, "span_codes": codes})
    batch = batch_of(block)
    check_statistics(batch.columns["input_ids"], batch.columns["span_codes"], Vocabulary.load(released("vocab_zh.txt")))


def test_a_sample_is_masked_alike_in_any_batch_and_anew_in_each_epoch() -> None:
    objective = load_plugins().pretraining_tasks.get("knowledge_masking").objective
    block, alone = batch_of(text(30)), batch_of(text(30))
    keep = slice(11, 12)
    alone.rows, alone.columns = alone.rows[keep], {name: column[keep] for name, column in alone.columns.items()}
    other = batch_of(text(30))
    for batch, key in ((block, 1), (alone, 1), (other, 2)):
        objective.label(batch, VOCABULARY, key)
    assert (block.columns["input_ids"][11] == alone.columns["input_ids"][0]).all()
    assert (block.columns["input_ids"] != other.columns["input_ids"]).any()


def test_labels_are_the_tokens_that_stood_there_padded_to_a_multiple_of_8() -> None:
    objective = load_plugins().pretraining_tasks.get("knowledge_masking").objective
    batch = batch_of(text(5))
    before = batch.columns["input_ids"].ravel().copy()
    labels = objective.label(batch, VOCABULARY, 3)
    positions, ids = labels.feeds["mask_positions"], labels.feeds["mask_labels"]
    assert len(positions) % 8 == 0 == len(ids) % 8
    assert (before[positions[ids >= 0]] == ids[ids >= 0]).all()
    assert (ids >= 0).sum() > 0
