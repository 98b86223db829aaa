"""Blocks of samples."""

import numpy as np
import pytest

from ernie_paddle.data.samples import TOKEN_COLUMNS, SampleBlock, ranges


def block(
    ids: tuple[int, ...] = (1, 5, 2, 1, 6, 7, 2), lengths: tuple[int, ...] = (3, 4), labels: tuple[int, ...] = (0, 1)
) -> SampleBlock:
    return SampleBlock(np.array(lengths), {"input_ids": np.array(ids)}, np.array(labels, np.int16))


def test_columns_that_are_not_given_are_filled() -> None:
    made = SampleBlock(np.array([3, 4]), {"input_ids": np.arange(7)})
    assert set(made.columns) == set(TOKEN_COLUMNS) and made.labels.tolist() == [-1, -1]
    for name, dtype in TOKEN_COLUMNS.items():
        assert made.columns[name].dtype == dtype
        expected = {"input_ids": list(range(7)), "sentence_ids": [0] * 7}.get(name, [-1] * 7)
        assert made.columns[name].tolist() == expected


def test_blocks_come_back_from_arrow() -> None:
    found = SampleBlock.from_arrow(block().to_arrow())
    assert found.digest() == block().digest() and found.lengths.tolist() == [3, 4]


def test_any_other_value_gives_another_digest() -> None:
    others = [
        block(ids=(1, 5, 2, 1, 6, 8, 2)),
        block(ids=(1, 5, 2, 1, 7, 6, 2)),
        block(lengths=(4, 3)),
        block(labels=(1, 0)),
    ]
    for name in set(TOKEN_COLUMNS) - {"input_ids"}:
        changed = block()
        changed.columns[name][4] += 1
        others.append(changed)
    ids, sentence_ids = np.array([7, 8, 9]), np.array([0, 0, 1])
    for columns in (
        {"input_ids": ids, "sentence_ids": sentence_ids},
        {"input_ids": sentence_ids, "sentence_ids": ids},
        {"input_ids": ids, "sentence_ids": sentence_ids, "more": np.zeros(3)},
        {"input_ids": ids, "sentence_ids": sentence_ids, "most": np.zeros(3)},
    ):
        others.append(SampleBlock(np.array([2, 1]), columns))
    assert len({made.digest() for made in (block(), *others)}) == len(others) + 1
    assert block().digest() == block().digest()


def test_columns_and_labels_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="column input_ids holds"):
        block(lengths=(3, 3))
    with pytest.raises(ValueError, match="3 labels for 2 samples"):
        block(labels=(0, 1, 2))


def test_ranges_go_on_from_each_start() -> None:
    assert ranges(np.array([7, 0, 3]), np.array([2, 0, 3])).tolist() == [7, 8, 3, 4, 5]
    assert ranges(np.array([], int), np.array([], int)).tolist() == []
