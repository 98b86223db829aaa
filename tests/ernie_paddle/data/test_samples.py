"""Blocks of samples."""

import numpy as np
import pytest

from ernie_paddle.data.samples import SampleBlock, ranges


def block(
    ids: tuple[int, ...] = (1, 5, 2, 1, 6, 7, 2), lengths: tuple[int, ...] = (3, 4), labels: tuple[int, ...] = (0, 1)
) -> SampleBlock:
    columns = {"input_ids": np.array(ids), "part": np.arange(len(ids))}
    return SampleBlock(np.array(lengths), columns, {"label": np.array(labels, np.int16)})


def test_all_tokens_are_in_sentence_0_unless_sentence_ids_are_given() -> None:
    made = SampleBlock(np.array([3, 4]), {"input_ids": np.arange(7)})
    assert made.columns["sentence_ids"].tolist() == [0] * 7 and set(made.columns) == {"input_ids", "sentence_ids"}
    given = SampleBlock(np.array([2]), {"input_ids": np.arange(2), "sentence_ids": np.array([0, 1])})
    assert given.columns["sentence_ids"].tolist() == [0, 1] and given.columns["input_ids"].dtype == np.int32


def test_samples_are_taken_in_any_order_with_all_their_columns() -> None:
    taken = block(lengths=(3, 1, 3), labels=(7, 8, 9)).take(np.array([2, 0, 2]))
    assert taken.lengths.tolist() == [3, 3, 3] and taken.sample_columns["label"].tolist() == [9, 7, 9]
    assert taken.columns["part"].tolist() == [4, 5, 6, 0, 1, 2, 4, 5, 6]
    assert taken.columns["input_ids"].tolist() == [6, 7, 2, 1, 5, 2, 6, 7, 2]
    assert len(block().take(np.array([], int))) == 0


def test_any_other_value_gives_another_digest() -> None:
    others = [
        block(ids=(1, 5, 2, 1, 6, 8, 2)),
        block(ids=(1, 5, 2, 1, 7, 6, 2)),
        block(lengths=(4, 3)),
        block(labels=(1, 0)),
    ]
    for name in ("part", "sentence_ids"):
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


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="column input_ids holds"):
        block(lengths=(3, 3))
    with pytest.raises(ValueError, match="column label holds 3 values for 2 samples"):
        block(labels=(0, 1, 2))


def test_ranges_go_on_from_each_start() -> None:
    assert ranges(np.array([7, 0, 3]), np.array([2, 0, 3])).tolist() == [7, 8, 3, 4, 5]
    assert ranges(np.array([], int), np.array([], int)).tolist() == []
