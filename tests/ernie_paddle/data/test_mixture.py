"""Mixtures of corpora: what an epoch draws, recounted in exact fractions."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ernie_paddle.data import order
from ernie_paddle.data.order import NO_LIMIT, BatchOrder, BatchSize, Cursor, MixedCorpus, cut_batches, mixture
from ernie_paddle.keyed_random import generator

SIZE = BatchSize(16, 700)
# Samples, weights and temperature, and the masses that the shares are proportional to.
MIXTURES: list[tuple[dict[str, int], dict[str, float], float, list[float]]] = [
    ({"a": 300, "b": 50}, {"b": 2}, 1, [300, 100]),
    ({"a": 300, "b": 50}, {"b": 30}, 1, [300, 1500]),  # an epoch draws each sample of b several times
    ({"a": 40, "b": 1000, "c": 7}, {"a": 0.5, "c": 3.25}, 1, [20, 1000, 22.75]),
    ({"a": 400, "b": 100}, {}, 2, [20, 10]),
    ({"a": 900, "b": 100, "c": 4}, {"b": 4, "unknown": 9}, 2, [30, 20, 2]),
    ({"a": 200, "b": 0, "c": 60}, {"a": 0.25}, 1, [50, 0, 60]),
    ({"a": 200, "b": 90, "c": 60}, {"b": 0, "c": 1.5}, 1, [200, 0, 90]),
    ({"a": 500, "b": 1}, {"b": 0.125}, 1, [500, 0.125]),  # less than one sample of b in an epoch
]


def lengths_of(corpora: tuple[MixedCorpus, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 60, sum(corpus.samples for corpus in corpora))


def order_of(corpora: tuple[MixedCorpus, ...], **options: Any) -> BatchOrder:
    options = {"seed": 1, "name": "task", **options}
    return BatchOrder(lengths_of(corpora), SIZE, **options, corpora=corpora)


def draws_of(batch_order: BatchOrder, epoch: int) -> np.ndarray:
    return np.concatenate([batch_order.batch(Cursor(epoch, i)) for i in range(batch_order.batches_in(epoch))])


def drawn_by_corpus(corpora: tuple[MixedCorpus, ...], rows: np.ndarray) -> Iterator[tuple[MixedCorpus, np.ndarray]]:
    """Yield each corpus, with how often each of its samples is among the rows."""
    counts, first = np.bincount(rows, minlength=sum(corpus.samples for corpus in corpora)), 0
    for corpus in corpora:
        yield corpus, counts[first : first + corpus.samples]
        first += corpus.samples


@pytest.mark.parametrize("least", [1, 1 << 16])
@pytest.mark.parametrize(("samples", "weights", "temperature", "masses"), MIXTURES)
def test_the_shares_of_any_epochs_are_exact_to_a_sample(
    samples: dict[str, int],
    weights: dict[str, float],
    temperature: float,
    masses: list[float],
    least: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order, "LEAST_EPOCH", least)
    corpora = mixture(samples, weights, temperature)
    shares = [Fraction(mass) / Fraction(sum(masses)) for mass in masses]
    once = min(Fraction(count) / share for count, share in zip(samples.values(), shares, strict=True) if share)
    used = sum(count for count, share in zip(samples.values(), shares, strict=True) if share)
    epoch = max(once, Fraction(min(least, used)))
    batch_order, rows = order_of(corpora), np.empty(0, np.int64)
    for number_of_epochs in range(1, 8):
        draws = draws_of(batch_order, number_of_epochs - 1)
        assert len({*draws.tolist()}) == len(draws), "draws are unique in an epoch"
        drawn = batch_order.rows(draws)
        assert epoch > once or len({*drawn.tolist()}) == len(drawn), "no sample twice"
        rows = np.concatenate([rows, drawn])
        now, all_ = dict(drawn_by_corpus(corpora, drawn)), dict(drawn_by_corpus(corpora, rows))
        for corpus, share in zip(corpora, shares, strict=True):
            assert abs(int(now[corpus].sum()) - epoch * share) <= 1
            total = int(all_[corpus].sum())
            assert abs(total - number_of_epochs * epoch * share) <= Fraction(1, 2) + Fraction(1, 10**6)
            if corpus.samples:
                fewest, most = total // corpus.samples, -(-total // corpus.samples)
                assert {*all_[corpus].tolist()} <= {fewest, most}, "each sample floor or ceil of the effective epochs"


def epoch_without_corpora(lengths: np.ndarray, epoch: int, group_by_length: bool, pool: int) -> list[np.ndarray]:
    """Cut one permutation of all samples, as if nobody knew of corpora."""
    random = generator(1, "order", "task", epoch)
    rows = random.permutation(len(lengths))
    if not group_by_length:
        return cut_batches(rows, lengths, SIZE)
    batches: list[np.ndarray] = []
    for start in range(0, len(rows), pool):
        chunk = rows[start : start + pool]
        batches += cut_batches(chunk[np.argsort(lengths[chunk], kind="stable")], lengths, SIZE)
    return [batches[i] for i in random.permutation(len(batches))]


@pytest.mark.parametrize("group_by_length", [True, False])
@pytest.mark.parametrize("weights", [{}, {"a": 1.0, "c": 1}, {"a": 0.3, "b": 0.3, "c": 0.3}])
def test_equal_weights_give_the_order_without_corpora(weights: dict[str, float], group_by_length: bool) -> None:
    """Also far from the first epoch, where rounding errors would be largest, and for sizes that divide badly."""
    corpora = mixture({"a": 317, "b": 1, "c": 1009}, weights)
    lengths = lengths_of(corpora)
    found = order_of(corpora, group_by_length=group_by_length, pool=200)
    alone = BatchOrder(lengths, SIZE, 1, "task", group_by_length, 200)
    for epoch in (0, 1, 2, 7, 1_000_003):
        expected = epoch_without_corpora(lengths, epoch, group_by_length, 200)
        for other in (found, alone):
            batches = [other.batch(Cursor(epoch, i)) for i in range(other.batches_in(epoch))]
            assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in expected]


def test_one_corpus_is_drawn_as_ever_whatever_its_weight_and_the_temperature() -> None:
    corpora = mixture({"a": 200}, {"a": 5}, 3)
    expected = epoch_without_corpora(lengths_of(corpora), 4, True, 4096)
    assert draws_of(order_of(corpora), 4).tolist() == np.concatenate(expected).tolist()


def test_millions_of_samples_with_equal_weights_are_each_drawn_once() -> None:
    samples = {"a": 123_456_789, "b": 987_654_321, "c": 3}
    for epoch in (0, 1, 999, 10**5):
        for corpus in mixture(samples):
            assert corpus.draws(epoch) == range(epoch * corpus.samples, (epoch + 1) * corpus.samples)


@pytest.mark.parametrize("least", [1, 1 << 16])
def test_any_epoch_follows_from_its_number_alone(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "LEAST_EPOCH", least)
    corpora = mixture({"a": 300, "b": 50, "c": 9}, {"b": 3, "c": 20})
    walked = order_of(corpora)
    cursor, straight = Cursor(), []
    while cursor.epoch < 5:
        straight.append((cursor, walked.batch(cursor).tolist()))
        cursor = walked.after(cursor)
    for start in range(0, len(straight), 7):
        resumed, cursor = order_of(corpora), straight[start][0]
        for expected in straight[start : start + 3]:
            assert (cursor, resumed.batch(cursor).tolist()) == expected
            cursor = resumed.after(cursor)


def test_seeds_tasks_and_corpora_draw_other_samples_first() -> None:
    """The first tenth of a corpus that a mixture draws: by chance, a tenth of it is drawn by another as well."""

    def first_drawn(seed: int = 1, name: str = "task", corpus: str = "a") -> frozenset[int]:
        corpora = mixture({corpus: 2000, "small": 100}, {"small": 10})
        return frozenset(row for row in draws_of(order_of(corpora, seed=seed, name=name), 0).tolist() if row < 2000)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "LEAST_EPOCH", 1)
        found = [first_drawn(), first_drawn(seed=2), first_drawn(name="other"), first_drawn(corpus="b")]
    assert all(len(rows) == 200 for rows in found)
    overlaps = [len(one & other) for number, one in enumerate(found) for other in found[:number]]
    assert max(overlaps) < 60, "20 are expected"


def test_batches_of_a_mixture_keep_their_size() -> None:
    corpora = mixture({"a": 300, "b": 50}, {"b": 30})
    batch_order, lengths = order_of(corpora), lengths_of(corpora)
    batches = [batch_order.rows(batch_order.batch(Cursor(0, i))) for i in range(batch_order.batches_in(0))]
    assert all(len(rows) <= 16 and len(rows) * lengths[rows].max() <= 700 for rows in batches)
    again = Counter(row for rows in batches for row in rows.tolist())
    assert max(again.values()) > 4, "samples of b come again and again"
    unlimited = BatchOrder(lengths, BatchSize(NO_LIMIT, NO_LIMIT), 1, "task", corpora=corpora)
    assert unlimited.batches_in(0) == 1 and len(unlimited.batch(Cursor())) == 350
