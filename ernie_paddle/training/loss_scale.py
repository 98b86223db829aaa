"""What happens to updates whose gradients are not finite, and dynamic loss scaling for fp16.

The constants are the release's (`model/ernie.py` and `optimization.py` of its fp16 training). Unlike there, a
non-finite update is left out altogether: moments do not decay.
"""

from dataclasses import dataclass

from ernie_paddle.settings import Precision

INITIAL = 102400.0
GROW_AFTER, GROWTH = 100, 2.0  # more than so many finite updates in a row
SHRINK_AFTER, SHRINKAGE = 2, 0.8  # more than so many non-finite updates in a row
FLOOR = 1.0
# So many non-finite updates in a row are left out before a run is given up: fp16 may have to find its scale.
PATIENCE: dict[Precision, int] = {"fp32": 0, "bf16": 10, "fp16": 100}


@dataclass(frozen=True)
class LossScale:
    """The factor of the loss; how many updates were left out in all, and since when things went well or badly."""

    value: float = 1.0
    left_out: int = 0
    finite_in_a_row: int = 0
    non_finite_in_a_row: int = 0

    @classmethod
    def initial(cls, precision: Precision) -> "LossScale":
        return cls(INITIAL if precision == "fp16" else 1.0)

    def after(self, finite: bool, precision: Precision) -> "LossScale":
        """The scale of the next update, given how this one went. Only fp16's factor ever changes."""
        good, bad = (self.finite_in_a_row + 1, 0) if finite else (0, self.non_finite_in_a_row + 1)
        value, left_out = self.value, self.left_out + (not finite)
        if precision == "fp16" and good > GROW_AFTER:
            value, good = value * GROWTH, 0
        if precision == "fp16" and bad and bad % (SHRINK_AFTER + 1) == 0:
            value = max(FLOOR, value * SHRINKAGE)
        return LossScale(value, left_out, good, bad)
