"""Masking units of text."""

import gzip
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import released
from pydantic import ValidationError

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import toy_vocabulary
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from ernie_paddle.training.stage_plan import planned_steps
from ernie_paddle.training.trainer import Trainer
from tasks.pretraining.knowledge_masking import (
    MaskedLanguageModelObjective,
    MaskingOptions,
    UnitWeights,
    mask_units,
    unit_tags,
)

VOCABULARY = toy_vocabulary(f"w{i}" for i in range(95))


def text(samples: int, length: int = 64) -> SampleBlock:
    random = np.random.default_rng(0)
    ids, bi_tags = random.integers(5, 100, (samples, length)), (random.random((samples, length)) < 0.4).astype(int)
    ids[:, 0], ids[:, -1], bi_tags[:, 1] = 1, 2, 0
    bi_tags[:, [0, -1]] = -1
    return SampleBlock(np.full(samples, length), {"input_ids": ids.ravel(), "bi_tags": bi_tags.ravel()})


def batch_of(block: SampleBlock) -> Batch:
    return Batch.of(block, np.arange(len(block)))


def alone(batch: Batch, sample: int) -> Batch:
    """Return one sample of a batch as a batch."""
    tokens = slice(batch.first_tokens[sample], batch.first_tokens[sample] + batch.lengths[sample])
    columns = {name: column[tokens] for name, column in batch.columns.items()}
    return Batch(batch.rows[[sample]], np.array([1]), batch.lengths[[sample]], columns, {})


def units_of(bi_tags: np.ndarray) -> np.ndarray:
    """Return the number of each token's masking unit in the batch."""
    return np.cumsum(bi_tags != 1)


def assert_share(happened: np.ndarray, expected: float) -> None:
    """Check that the share of independent events is within four standard errors of the expected share."""
    error = (expected * (1 - expected) / happened.size) ** 0.5
    assert abs(happened.mean() - expected) < 4 * error, (happened.mean(), expected, happened.size)


def check_statistics(batch: Batch, vocabulary: Vocabulary) -> None:
    ids, bi_tags = batch.columns["input_ids"], batch.columns["bi_tags"]
    tokens, masked = mask_units(batch, bi_tags, vocabulary, key=5)
    selected, real = np.isin(np.arange(batch.tokens), tokens), bi_tags >= 0
    assert not selected[~real].any() and (masked[~selected] == ids[~selected]).all()
    assert_share(selected[bi_tags == 0], 0.15)
    units = units_of(bi_tags)
    whole = np.bincount(units, selected) / np.bincount(units).clip(1)
    assert set(np.unique(whole)) == {0.0, 1.0}
    is_mask = masked == vocabulary.mask_id
    replaced = selected & ~is_mask & (masked != ids)
    assert_share(is_mask[selected], 0.8)
    assert_share(replaced[selected], 0.1 * (1 - 1 / len(vocabulary.ordinary_ids)))
    second = np.flatnonzero(selected & (bi_tags == 1) & (np.roll(bi_tags, 1) == 0))
    assert_share(is_mask[second] & is_mask[second - 1], 0.8**2)  # the tokens of a unit have draws of their own
    assert np.isin(masked[replaced], vocabulary.ordinary_ids).all()
    for tenth in np.array_split(vocabulary.ordinary_ids, 10):  # any word, each as often as the others
        assert_share(np.isin(masked[replaced], tenth), len(tenth) / len(vocabulary.ordinary_ids))


def test_15_percent_of_units_80_10_10_and_any_word_in_their_place() -> None:
    batch = batch_of(text(3000))
    check_statistics(batch, VOCABULARY)
    _, masked = mask_units(batch, batch.columns["bi_tags"], VOCABULARY, key=5)
    replaced = masked[(masked != batch.columns["input_ids"]) & (masked != VOCABULARY.mask_id)]
    assert set(replaced.tolist()) == set(range(len(SPECIAL_TOKENS), VOCABULARY.size))


def test_every_sample_and_every_place_has_draws_of_its_own() -> None:
    """Equal samples, and neighbouring units, are masked together only as often as by chance."""
    ids = np.tile([1, *range(5, 35), 2], 2000)
    bi_tags = np.tile([-1, *[0] * 30, -1], 2000)
    batch = batch_of(SampleBlock(np.full(2000, 32), {"input_ids": ids, "bi_tags": bi_tags}))
    tokens, masked = mask_units(batch, bi_tags, VOCABULARY, key=5)
    selected = np.isin(np.arange(batch.tokens), tokens).reshape(2000, 32)[:, 1:-1]
    is_mask = (masked.reshape(2000, 32)[:, 1:-1] == VOCABULARY.mask_id) & selected
    for events, share in ((selected, 0.15), (is_mask, 0.15 * 0.8)):
        assert_share(events[1:] & events[:-1], share**2)
        assert_share(events[:, 1:] & events[:, :-1], share**2)
    other, _ = mask_units(batch, bi_tags, VOCABULARY, key=6)
    assert_share(np.isin(tokens, other), 0.15)


def test_the_same_on_the_samples_of_the_release() -> None:
    with gzip.open(released("demo_train_set.gz"), "rt") as file:
        fields = [line.split(";") for line, _ in zip(file, range(2000), strict=False)]
    rows = [(np.array(f[0].split(), int), np.array(f[3].split(), int)) for f in fields]
    ids, bi_tags = (np.concatenate([row[i] for row in rows]) for i in range(2))
    block = SampleBlock(np.array([len(row[0]) for row in rows]), {"input_ids": ids, "bi_tags": bi_tags})
    check_statistics(batch_of(block), Vocabulary.load(released("vocab_zh.txt")))


def test_a_sample_is_masked_alike_in_any_batch_and_anew_in_each_epoch() -> None:
    objective = load_plugins().pretraining_tasks.get("knowledge_masking").objective
    block, other = batch_of(text(30)), batch_of(text(30))
    one = alone(block, 11)
    for batch, key in ((block, 1), (one, 1), (other, 2)):
        objective.label(batch, VOCABULARY, key)
    assert (alone(block, 11).columns["input_ids"] == one.columns["input_ids"]).all()
    assert (block.columns["input_ids"] != other.columns["input_ids"]).any()


def test_labels_are_the_tokens_that_stood_there_padded_to_a_multiple_of_8() -> None:
    objective = load_plugins().pretraining_tasks.get("knowledge_masking").objective
    batch = batch_of(text(5))
    before = batch.columns["input_ids"].copy()
    labels = objective.label(batch, VOCABULARY, 3)
    positions, ids = labels.selected, labels.feeds["mask_labels"]
    assert len(positions) % 8 == 0 == len(ids) % 8
    assert (before[positions[ids >= 0]] == ids[ids >= 0]).all()
    assert (ids >= 0).sum() > 0


# ---- which units ----

PIECES = toy_vocabulary(["un", "##do", "##ne", "new", "york", "红", "色"])


def named_text(samples: int) -> Batch:
    """`[CLS] un ##do ##ne new york 红 色 [SEP]`: a word, a named entity, a phrase."""
    ids = np.tile([1, 5, 6, 7, 8, 9, 10, 11, 2], samples)
    bi_tags, kinds = np.tile([-1, 0, 1, 1, 0, 1, 0, 1, -1], samples), np.tile([-1, 0, 0, 0, 2, 2, 1, 1, -1], samples)
    block = SampleBlock(np.full(samples, 9), {"input_ids": ids, "bi_tags": bi_tags, "span_kinds": kinds})
    return batch_of(block)


def test_units_follow_the_stages_of_ernie_1() -> None:
    batch = named_text(1)
    expected = {
        "basic": [-1, 0, 1, 1, 0, 0, 0, 0, -1],
        "phrase": [-1, 0, 1, 1, 0, 0, 0, 1, -1],
        "entity": [-1, 0, 1, 1, 0, 1, 0, 1, -1],
    }
    for name, bi_tags in expected.items():
        assert unit_tags(batch, UnitWeights(**{name: 2.0}), PIECES, key=1).tolist() == bi_tags


def test_types_of_units_are_sampled_by_weight_for_each_sample() -> None:
    batch, weights = named_text(4000), UnitWeights(basic=1, phrase=1, entity=2)
    bi_tags = unit_tags(batch, weights, PIECES, key=3).reshape(4000, 9)
    basic, phrase = bi_tags[:, 7] == 0, (bi_tags[:, 7] == 1) & (bi_tags[:, 5] == 0)
    for selected, share in ((basic, 0.25), (phrase, 0.25), (~basic & ~phrase, 0.5)):
        assert_share(selected, share)
    assert_share(basic[1:] & basic[:-1], 0.25**2)
    assert_share(basic & (unit_tags(batch, weights, PIECES, key=4).reshape(4000, 9)[:, 7] == 0), 0.25**2)
    assert (unit_tags(alone(batch, 77), weights, PIECES, key=3) == bi_tags[77]).all()


def test_the_type_of_units_says_nothing_about_which_are_masked() -> None:
    """A sample's type of units and its masked units are drawn with separate keys."""
    batch = named_text(20_000)
    basic = unit_tags(batch, UnitWeights(basic=1, entity=1), PIECES, key=3).reshape(20_000, 9)[:, 7] == 0
    every_token = np.where(batch.columns["bi_tags"] == -1, -1, 0)
    tokens, _ = mask_units(batch, every_token, PIECES, key=3)
    selected = np.isin(np.arange(batch.tokens), tokens).reshape(20_000, 9)[:, 1:-1]
    for place in range(7):
        assert_share(selected[basic, place], 0.15)


def test_a_plan_chooses_units_for_all_stages_or_for_each() -> None:
    masking = MaskedLanguageModelObjective()
    stages = masking.configured(MaskingOptions(units=[UnitWeights(basic=1), UnitWeights(phrase=1)]))
    assert [stages.in_stage(stage).units[0].basic for stage in range(3)] == [1, 0, 0]
    labelled = [
        objective.label(named_text(200), PIECES, key=1).selected.tolist()
        for objective in (stages, stages.in_stage(1), stages.in_stage(0))
    ]
    assert labelled[0] == labelled[1] != labelled[2], "held-out samples are scored as in the last stage"
    mixed = masking.configured(MaskingOptions(units=UnitWeights(basic=1, entity=3)))
    assert mixed.in_stage(5).units == mixed.units == (UnitWeights(basic=1, entity=3),)
    for weights in ({}, {"basic": -1, "entity": 2}, {"phrase": -1, "entity": 2}, {"basic": 2, "entity": -1}):
        with pytest.raises(ValidationError):
            UnitWeights(**weights)
    assert masking.units == (MaskingOptions().units,) == (UnitWeights(entity=1),)


def test_units_of_a_plan_change_its_masks(toy_trainer: Callable[..., Trainer]) -> None:
    def masked(options: dict[str, Any]) -> list[list[int]]:
        tasks = {"knowledge_masking": {"steps": [1, 1], "options": options}}
        trainer = toy_trainer(plan={"strategy": "stages", "tasks": tasks})
        prepared = trainer.preparer.prepare_all(planned_steps(trainer.plan), {})
        return [step.micro_batches[0].feed["selected"].tolist() for step in prepared]

    whole, basic = masked({}), masked({"units": {"basic": 1}})
    changed = masked({"units": [{"basic": 1}, {"entity": 1}]})
    assert whole[0] != basic[0] and whole[1] != basic[1] and changed == [basic[0], whole[1]]
