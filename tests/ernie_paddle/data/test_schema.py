"""Declarations of columns."""

import numpy as np
import pytest

from ernie_paddle.data.schema import Column, of_level, unique_columns

LETTERS = tuple(f"class {i}" for i in range(128))


def test_a_column_holds_its_classes_and_minus_1() -> None:
    assert Column("a", "token", ("x", "y")).maximum == 1 and Column("a", "token").maximum == 127
    assert Column("a", "sentence", dtype="int16").maximum == 32767
    values = np.array([0, 1, -1, 2, -2, 1, 9])
    assert Column("a", "token", ("x", "y")).wrong(values).tolist() == [3, 4, 6]


def test_a_column_that_cannot_be_is_refused() -> None:
    Column("a", "token", LETTERS)
    with pytest.raises(ValueError, match="129 classes do not fit into int8"):
        Column("a", "token", (*LETTERS, "one more"))
    Column("a", "token", (*LETTERS, "one more"), "int16")
    for name in ("input_ids", "sentence_ids", "segment_lengths", "flags_0"):
        with pytest.raises(ValueError, match=f"column '{name}': the name is taken"):
            Column(name, "token")


def test_a_column_is_declared_once() -> None:
    a, b = Column("a", "token", ("x",)), Column("b", "sentence")
    assert unique_columns([a, b]) == (a, b)
    with pytest.raises(ValueError, match="column 'a' is declared twice"):
        unique_columns([a, b, a])
    with pytest.raises(ValueError, match="declared twice"):
        unique_columns([a, b, Column("a", "token", ("y",))])
    assert of_level([a, b], "token") == [a] and of_level([a, b], "sentence") == [b]


def test_levels_and_dtypes_are_known_and_labels_may_be_a_list() -> None:
    """An unknown level would leave the column out of the shards, and an unsigned dtype has no -1."""
    assert Column("a", "token", list(LETTERS)) == Column("a", "token", LETTERS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="column 'a': 'tokens', expected one of token, sentence"):
        Column("a", "tokens")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="column 'a': 'uint8', expected one of int8, int16, int32"):
        Column("a", "token", dtype="uint8")  # type: ignore[arg-type]


def test_fractions_are_no_class_ids() -> None:
    values = np.array([0.0, 0.5, np.nan, -1.0, 1.0, 2.0])
    assert Column("a", "token", ("x", "y")).wrong(values).tolist() == [1, 2, 5]
