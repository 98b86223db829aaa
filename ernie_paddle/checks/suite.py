"""All checks, in the order in which they run."""

from ernie_paddle.checks import exporting, machine, numerics, operators, speed, stopping, sums, training

CHECKS = tuple(
    sorted(
        (
            *machine.CHECKS,
            *operators.CHECKS,
            *numerics.CHECKS,
            *training.CHECKS,
            *sums.CHECKS,
            *stopping.CHECKS,
            *exporting.CHECKS,
            *speed.CHECKS,
        ),
        key=lambda check: (check.number == speed.FULL_MEMORY, check.number),  # which may leave memory in pieces
    )
)
