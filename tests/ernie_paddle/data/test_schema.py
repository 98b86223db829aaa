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


def test_a_column_may_be_declared_twice_but_not_differently() -> None:
    a, b = Column("a", "token", ("x",)), Column("b", "sentence")
    assert unique_columns([a, b, Column("a", "token", ("x",))]) == (a, b)
    with pytest.raises(ValueError, match="column 'a' is declared as"):
        unique_columns([a, b, Column("a", "token", ("y",))])
    assert of_level([a, b], "token") == [a] and of_level([a, b], "sentence") == [b]
