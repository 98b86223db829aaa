"""Variables as numpy arrays."""

from pathlib import Path

import numpy as np

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
