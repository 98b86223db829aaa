"""Variables as numpy arrays."""

from pathlib import Path

import numpy as np
import pytest

from ernie_paddle.programs import paddle
from ernie_paddle.programs.variables import Variables

PARTS, VALUES = 64, 1 << 18  # float32 values of each part: 1 MB


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_the_values_of_views_are_copies_that_hold_no_more_than_their_part() -> None:
    variables = Variables(paddle.CPUPlace())
    names = [f"part_{number}" for number in range(PARTS)]
    for number, name in enumerate(names):
        variables.set_parameter(name, np.full(VALUES, number, np.float32))
    variables.join("vector", names)
    before = resident_bytes()
    values = variables.parameters()
    assert resident_bytes() - before < 3 * 4 * PARTS * VALUES
    values["part_1"][:] = -1
    assert [variables.get(name)[0] for name in names] == list(range(PARTS))
    assert [values[name][-1] for name in names] == [0, -1, *range(2, PARTS)]


@pytest.mark.parametrize("dtype", [">f4", np.float16, np.float64, np.int64])
def test_parts_take_values_of_any_dtype_and_order_and_write_over_no_other_part(dtype: str | type) -> None:
    variables = Variables(paddle.CPUPlace())
    for name, shape in {"a": (2, 3), "b": (4,), "c": (3,)}.items():
        variables.set_parameter(name, np.zeros(shape, np.float32))
    variables.join("vector", ["a", "b", "c"])
    variables.set_parameter("a", np.arange(1, 7).reshape(3, 2).T.astype(dtype))
    variables.set_parameter("b", np.arange(7, 15).astype(dtype)[::2])
    expected = [1, 3, 5, 2, 4, 6, 7, 9, 11, 13, 0, 0, 0]
    assert variables.get("vector").tolist() == expected
    assert np.concatenate([variables.get(name).ravel() for name in "abc"]).tolist() == expected


@pytest.mark.parametrize(("name", "parts"), [("vector", ["a"]), ("vector", ["b", "a"]), ("other", ["b", "c"])])
def test_a_variable_is_part_of_one_vector_in_one_order(name: str, parts: list[str]) -> None:
    """Another vector of it would be updated without it."""
    variables = Variables(paddle.CPUPlace())
    for part in "abc":
        variables.set_parameter(part, np.zeros(2, np.float32))
    variables.join("vector", ["a", "b"])
    variables.join("c", ["c"])
    variables.join("vector", ["a", "b"])
    with pytest.raises(ValueError, match=f"{name}: .* was joined to"):
        variables.join(name, parts)
