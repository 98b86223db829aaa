"""The update program: clip the accumulated gradients and apply AdamW."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import paddle

from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.building import declare_parameter, new_program, persistent_variable
from ernie_paddle.programs.collectives import all_reduce
from ernie_paddle.programs.parameter_groups import ParameterGroup
from ernie_paddle.programs.task_program import LOSS_SCALE
from ernie_paddle.programs.variables import GRADIENT_SUFFIX, Variables
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import AdamSettings

GRADIENT_NORM = "gradient_norm"
LEARNING_RATE = "learning_rate"
MOMENTS, BETA_POWERS = ("_moment1_0", "_moment2_0"), ("_beta1_pow_acc_0", "_beta2_pow_acc_0")  # as Paddle names them


@dataclass(frozen=True)
class UpdateProgram:
    """A built program. It stores the global norm of the gradients before clipping in `gradient_norm` [1].

    `non_finite` [1] tells whether some gradients are not finite. Then parameters and moments keep their values.
    """

    main: Any
    non_finite: Any
    groups: tuple[ParameterGroup, ...]


def build_update_program(
    groups: Sequence[ParameterGroup], adam: AdamSettings, ranks: Ranks, backend: Backend, sums_dtype: Any
) -> UpdateProgram:
    """Build the update of these groups alone, so that the heads of absent tasks do not drift.

    It starts with the sum of the gradients over all processes, in `sums_dtype`.
    """
    with new_program() as main:
        gradients = [persistent_variable(group.name + GRADIENT_SUFFIX, group.shape) for group in groups]
        totals = gradients if ranks.world == 1 else all_reduce(gradients, sums_dtype)
        scale, learning_rate = persistent_variable(LOSS_SCALE, (1,)), persistent_variable(LEARNING_RATE, (1,))
        # Not sum(square(...)), which is 1 % off for 10**8 values; and oneDNN would square needed values in place.
        squares = [paddle.reshape(paddle._C_ops.squared_l2_norm(total), [1]) for total in totals]
        norm = paddle.sqrt(paddle.add_n(squares)) / scale
        paddle.assign(norm, output=persistent_variable(GRADIENT_NORM, (1,)))
        non_finite = paddle.logical_not(paddle.isfinite(norm))
        factor = 1 / scale
        if adam.clip_norm is not None:
            factor *= adam.clip_norm / paddle.maximum(norm, paddle.full([1], adam.clip_norm))
        skipped = backend.host_flag(non_finite)
        for group, total in zip(groups, totals, strict=True):
            _adamw(group, total * factor, learning_rate, skipped, adam)
    return UpdateProgram(main, non_finite, tuple(groups))


def _adamw(group: ParameterGroup, gradient: Any, learning_rate: Any, skipped: Any, adam: AdamSettings) -> None:
    """Add the update of a group, unless the Value `skipped` is true."""
    moments = [persistent_variable(group.name + suffix, group.shape) for suffix in MOMENTS]
    powers = [persistent_variable(group.name + suffix, (1,)) for suffix in BETA_POWERS]
    paddle._C_ops.adamw_(  # type: ignore[call-arg]
        declare_parameter(group.spec),
        gradient,
        learning_rate,
        *moments,
        None,  # greatest second moment, of AMSGrad
        *powers,
        None,  # master weights
        skipped,
        adam.beta1,
        adam.beta2,
        adam.epsilon,
        1.0,  # factor of the learning rate
        adam.weight_decay,
        group.is_decayed,
        False,  # lazy mode
        1000,  # rows from which lazy mode uses threads
        False,  # multi-precision
        False,  # one power of the betas for all
        False,  # AMSGrad
    )


def accumulators(name: str, shape: tuple[int, ...], adam: AdamSettings) -> dict[str, tuple[tuple[int, ...], float]]:
    """Return the shape and initial value of a parameter's AdamW accumulators, by Paddle's names for them."""
    moments = {name + suffix: (shape, 0.0) for suffix in MOMENTS}
    powers = {name + suffix: ((1,), beta) for suffix, beta in zip(BETA_POWERS, (adam.beta1, adam.beta2), strict=True)}
    return moments | powers


def add_update_variables(variables: Variables, groups: Iterable[ParameterGroup], adam: AdamSettings) -> None:
    """Create the accumulators and gradients that do not exist yet, and join those of each group."""
    for group in groups:
        for spec in group.specs:
            for accumulator, (shape, value) in accumulators(spec.name, spec.shape, adam).items():
                variables.add_filled(accumulator, shape, value)
            variables.add_filled(spec.name + GRADIENT_SUFFIX, spec.shape, 0.0)
        for suffix in (*MOMENTS, GRADIENT_SUFFIX):
            variables.join(group.name + suffix, [spec.name + suffix for spec in group.specs])
        for suffix in BETA_POWERS:
            variables.alias(group.name + suffix, [spec.name + suffix for spec in group.specs])
    variables.add_filled(LEARNING_RATE, (1,), 0.0)
    variables.add_filled(LOSS_SCALE, (1,), 1.0)
    variables.add_filled(GRADIENT_NORM, (1,), 0.0)
