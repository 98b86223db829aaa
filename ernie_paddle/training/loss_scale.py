"""Dynamic loss scaling for fp16, and the count of steps that are skipped for non-finite gradients.

The constants are the release's (`model/ernie.py` and `optimization.py` of its fp16 training). Unlike the release, we
skip a non-finite step entirely: its moments do not decay.
"""

from dataclasses import dataclass, replace

from ernie_paddle.settings import Precision

INITIAL = 102400.0
GROW_AFTER, GROWTH = 100, 2.0  # grow after more than 100 finite steps in a row
SHRINK_AFTER, SHRINKAGE = 2, 0.8  # shrink after more than 2 non-finite steps in a row
FLOOR = 1.0
# Non-finite steps in a row that are skipped before the run fails. fp16 needs some to find its scale.
PATIENCE: dict[Precision, int] = {"fp32": 0, "tf32": 0, "bf16": 10, "fp16": 100}


@dataclass(frozen=True)
class LossScale:
    """The loss scale, the number of skipped steps, and the current runs of finite and non-finite steps."""

    value: float = 1.0
    skipped_steps: int = 0
    finite_in_a_row: int = 0
    non_finite_in_a_row: int = 0

    @classmethod
    def initial(cls, precision: Precision) -> "LossScale":
        return cls(INITIAL if precision == "fp16" else 1.0)

    def in_precision(self, precision: Precision) -> "LossScale":
        """Return the initial scale of a precision, with the skipped steps of this one."""
        return replace(LossScale.initial(precision), skipped_steps=self.skipped_steps)

    def after(self, finite: bool, precision: Precision) -> "LossScale":
        """Return the scale of the next step, given whether this step's gradients were finite. Only fp16 changes it."""
        finite_steps, non_finite = (self.finite_in_a_row + 1, 0) if finite else (0, self.non_finite_in_a_row + 1)
        value, skipped_steps = self.value, self.skipped_steps + (not finite)
        if precision == "fp16" and finite_steps > GROW_AFTER:
            value, finite_steps = value * GROWTH, 0
        if precision == "fp16" and non_finite and non_finite % (SHRINK_AFTER + 1) == 0:
            value = max(FLOOR, value * SHRINKAGE)
        return LossScale(value, skipped_steps, finite_steps, non_finite)
