"""The order of batches."""

import numpy as np
import pytest

from ernie_paddle.data.order import NO_LIMIT, BatchOrder, BatchSize, Cursor, cut_batches

LENGTHS = np.random.default_rng(0).integers(1, 60, 500)


def walk(order: BatchOrder, cursor: Cursor, batches: int) -> list[np.ndarray]:
    found = []
    for _ in range(batches):
        found.append(order.batch(cursor))
        cursor = order.after(cursor)
    return found


@pytest.mark.parametrize("group_by_length", [True, False])
@pytest.mark.parametrize("size", [BatchSize(NO_LIMIT, 256), BatchSize(8, NO_LIMIT), BatchSize(8, 256)])
def test_an_epoch_takes_every_sample_once_in_batches_within_the_size(size: BatchSize, group_by_length: bool) -> None:
    order = BatchOrder(LENGTHS, size, 1, "task", group_by_length, pool=128)
    for epoch in range(2):
        batches = [order.batch(Cursor(epoch, i)) for i in range(order.batches_in(epoch))]
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(LENGTHS)))
        assert all(len(rows) <= size.samples for rows in batches)
        assert all(len(rows) == 1 or len(rows) * LENGTHS[rows].max() <= size.tokens for rows in batches)


def test_a_sample_longer_than_the_batch_goes_alone() -> None:
    order = BatchOrder(np.array([100, 3, 3]), BatchSize(NO_LIMIT, 10), 1, "task")
    assert [0] in [rows.tolist() for rows in walk(order, Cursor(), 2)]


def test_the_order_continues_across_epochs_and_repeats_from_any_cursor() -> None:
    order = BatchOrder(LENGTHS, BatchSize(32, NO_LIMIT), 1, "task")
    straight = walk(order, Cursor(), 40)
    again = walk(BatchOrder(LENGTHS, BatchSize(32, NO_LIMIT), 1, "task"), Cursor(1, 3), 10)
    offset = order.batches_in(0) + 3
    assert all((a == b).all() for a, b in zip(straight[offset : offset + 10], again, strict=True))


def test_epochs_seeds_and_tasks_have_different_orders() -> None:
    def first(seed: int, name: str, epoch: int) -> list[int]:
        return BatchOrder(LENGTHS, BatchSize(32, NO_LIMIT), seed, name).batch(Cursor(epoch, 0)).tolist()

    orders = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)]
    assert len({tuple(order) for order in orders}) == 4


def test_grouping_by_length_saves_padding_and_random_order_ignores_lengths() -> None:
    def spread(group_by_length: bool, lengths: np.ndarray) -> float:
        order = BatchOrder(lengths, BatchSize(16, NO_LIMIT), 1, "task", group_by_length)
        return float(np.mean([np.ptp(LENGTHS[order.batch(Cursor(0, i))]) for i in range(order.batches_in(0))]))

    assert spread(True, LENGTHS) < 0.1 * spread(False, LENGTHS)
    assert spread(False, LENGTHS) == spread(False, LENGTHS[::-1])


def test_batches_are_as_large_as_their_size_allows() -> None:
    """Recounted row by row: a batch ends where one more row, padded like the longest, would exceed a limit."""
    for samples, tokens in ((NO_LIMIT, 59), (NO_LIMIT, 256), (8, NO_LIMIT), (5, 200), (1, 1), (3, 30)):
        expected: list[list[int]] = [[]]
        for row, length in enumerate(LENGTHS.tolist()):
            longest = max([length, *(int(LENGTHS[other]) for other in expected[-1])])
            count = len(expected[-1]) + 1
            if expected[-1] and (count > samples or count * longest > tokens):
                expected.append([])
            expected[-1].append(row)
        found = cut_batches(np.arange(len(LENGTHS)), LENGTHS, BatchSize(samples, tokens))
        assert [rows.tolist() for rows in found] == expected


@pytest.mark.parametrize("group_by_length", [True, False])
def test_neither_length_nor_row_tells_when_a_sample_comes(group_by_length: bool) -> None:
    """No curriculum: correlations with the place in the epoch are within four standard errors."""
    lengths = np.random.default_rng(1).integers(1, 60, 4000)
    for pool in (4000, 300):
        order = BatchOrder(lengths, BatchSize(4, NO_LIMIT), 1, "task", group_by_length, pool)
        batches = [order.batch(Cursor(0, i)) for i in range(order.batches_in(0))]
        for values in (lengths, np.arange(4000)):
            means = [values[rows].mean() for rows in batches]
            correlation = np.corrcoef(means, np.arange(len(means)))[0, 1]
            assert abs(correlation) < 4 / len(means) ** 0.5
        rows = np.concatenate(batches)
        assert abs(np.corrcoef(rows[1:], rows[:-1])[0, 1]) < 4 / len(rows) ** 0.5, "nor its neighbours"
