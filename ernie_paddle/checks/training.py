"""Checks of dropout, of steps that are skipped, and of whether training repeats."""

import numpy as np

from ernie_paddle.checks.check import Bench, Check, Outcome, Programs, on_devices
from ernie_paddle.checks.numerics import sample_workload
from ernie_paddle.checks.operators import DRAWS, RATE, flags_restored, share_dropped
from ernie_paddle.checks.traces import RATE as LEARNING_RATE
from ernie_paddle.checks.traces import Agreement, Workload, loss_of, session_of, train
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.check_record import Figure
from ernie_paddle.programs.session import Session
from ernie_paddle.training.loss_scale import SHRINK_AFTER, LossScale

REPEATED_STEPS = 5
RECOMPUTED_ERROR = 1e-4  # of gradients, relative: sums on a GPU may be in another order
DEVIATIONS = 5  # of the share dropped from its rate, in standard deviations


def dropout(programs: Programs, bench: Bench) -> Outcome:
    """Train with the same key twice, with another, and with recomputed layers; count what dropout drops."""
    work = sample_workload(programs, bench, dropout=RATE)
    first, again, other = (train(work, programs.backend(), key=key) for key in (1, 1, 2))
    recomputed = train(work, programs.backend(recompute=True))
    found = {
        "same key, same loss": first.losses == again.losses,
        "other key, other loss": first.losses != other.losses,
        "recomputed, same loss": bool(np.isclose(recomputed.losses[0], first.losses[0], rtol=RECOMPUTED_ERROR)),
    }
    error = Agreement.of(recomputed.gradients, first.gradients).error
    share = share_dropped(programs.backend(), key=1)
    deviation = abs(share - RATE) / (RATE * (1 - RATE) / DRAWS) ** 0.5
    figures: dict[str, Figure] = {**found, "recomputed gradients": error, f"share dropped of {RATE}": share}
    return Outcome(all(found.values()) and error <= RECOMPUTED_ERROR and deviation <= DEVIATIONS, figures)


def infinite_gradients(programs: Programs, bench: Bench) -> Outcome:
    """Take a step with infinite gradients between finite ones: parameters and moments must stay as they were."""
    work = sample_workload(programs, bench)
    low = programs.low[-1] if programs.low else "fp32"
    session = session_of(work, programs.backend(low))
    loss_of(work, session, 1)
    finite = [session.update((work.task,), LEARNING_RATE)]
    before = _state(session)
    session.add_gradients((work.task,), work.feed, np.array([np.inf], np.float32), 2)
    finite.append(session.update((work.task,), LEARNING_RATE))
    unchanged = _equal(before, _state(session))
    loss_of(work, session, 3)
    finite.append(session.update((work.task,), LEARNING_RATE))
    moved = not _equal(before, _state(session))
    scale = LossScale.initial("fp16")
    for _ in range(SHRINK_AFTER + 1):
        scale = scale.after(finite[1], "fp16")
    falls = scale.value < LossScale.initial("fp16").value
    figures: dict[str, Figure] = {"precision": low, "noticed": not finite[1], "nothing changed": unchanged}
    figures |= {"next step trains": finite[2] and moved, "fp16's loss scale falls": falls}
    return Outcome(finite == [True, False, True] and unchanged and moved and falls, figures)


def _state(session: Session) -> dict[str, np.ndarray]:
    return session.parameters() | session.optimizer_state()


def repeatability(programs: Programs, bench: Bench) -> Outcome:
    """Train twice: as by default, and with `impl.repeatable`, which must repeat bit by bit."""
    work = sample_workload(programs, bench, dropout=RATE)
    low = programs.low[0] if programs.low else "fp32"
    default = _repeats(work, *(programs.backend(low, flash=programs.has_flash) for _ in range(2)))
    with flags_restored():
        repeatable = _repeats(work, *(programs.backend(low, repeatable=True) for _ in range(2)))
    figures: dict[str, Figure] = {"precision": low, "by default": default, "impl.repeatable": repeatable}
    return Outcome(repeatable and (default or programs.is_gpu), figures)


def _repeats(work: Workload, *backends: Backend) -> bool:
    first, again = (train(work, backend, REPEATED_STEPS) for backend in backends)
    return first.losses == again.losses and _equal(first.parameters, again.parameters)


def _equal(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(value, others[name]) for name, value in some.items())


CHECKS = (
    Check(
        6,
        "dropout",
        "keys without effect, masks that are sampled twice",
        "nothing: without dropout in the model config training is right",
        dropout,
    ),
    Check(
        7,
        "infinite gradients",
        "one bad batch that ruins all parameters",
        "nothing: send the record",
        infinite_gradients,
    ),
    Check(
        8,
        "repeatability",
        "runs that cannot be compared bit by bit",
        "nothing: results hold up to rounding",
        repeatability,
        on_devices,
    ),
)
