"""The update program: clip the accumulated gradients, apply AdamW, zero the buffers."""

from dataclasses import dataclass
from typing import Any

import paddle

from ernie_paddle.programs.building import declare_parameter, gradient_buffer, new_program, persistent_variable
from ernie_paddle.programs.collectives import all_reduce
from ernie_paddle.programs.task_program import LOSS_SCALE
from ernie_paddle.programs.variables import GRADIENT_SUFFIX, ParameterSpec, Variables
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import AdamSettings

GRADIENT_NORM = "gradient_norm"
LEARNING_RATE = "learning_rate_0"  # the name paddle.optimizer gives it in a fresh name space


@dataclass(frozen=True)
class UpdateProgram:
    """A built program. It stores the global norm of the gradients before clipping in `gradient_norm` [1].

    `non_finite` [1] tells whether some gradients are not finite. Then parameters and moments keep their values.
    """

    main: Any
    non_finite: Any
    parameters: dict[str, ParameterSpec]


def build_update_program(parameters: dict[str, ParameterSpec], adam: AdamSettings, ranks: Ranks) -> UpdateProgram:
    """Build the update of these parameters alone, so that the heads of absent tasks do not drift.

    It starts with the sum of the gradients over all processes.
    """
    with new_program() as main:
        values = {name: declare_parameter(spec) for name, spec in parameters.items()}
        buffers = {name: gradient_buffer(spec) for name, spec in parameters.items()}
        scale = persistent_variable(LOSS_SCALE, (1,))
        totals = list(buffers.values()) if ranks.world == 1 else all_reduce(list(buffers.values()))
        # Not sum(square(...)), which is 1 % off for 10**8 values; and oneDNN would square needed values in place.
        squares = [paddle.reshape(paddle._C_ops.squared_l2_norm(total), [1]) for total in totals]
        norm = paddle.sqrt(paddle.add_n(squares)) / scale
        paddle.assign(norm, output=persistent_variable(GRADIENT_NORM, (1,)))
        non_finite = paddle.logical_not(paddle.isfinite(norm))
        factor = 1 / scale
        if adam.clip_norm is not None:
            factor *= adam.clip_norm / paddle.maximum(norm, paddle.full([1], adam.clip_norm))
        optimizer = paddle.optimizer.AdamW(
            0.0,
            beta1=adam.beta1,
            beta2=adam.beta2,
            epsilon=adam.epsilon,
            weight_decay=adam.weight_decay,
            apply_decay_param_fun=is_decayed,
        )
        optimizer._set_auxiliary_var("found_inf", non_finite)  # as paddle.amp's own decorator does
        optimizer.apply_gradients([(values[name], total * factor) for name, total in zip(buffers, totals, strict=True)])
        for buffer in buffers.values():
            paddle.assign(paddle.zeros_like(buffer), output=buffer)
    return UpdateProgram(main, non_finite, parameters)


def is_decayed(name: str) -> bool:
    """Return whether weight decay applies to a parameter (release, `optimization.py`)."""
    return "layer_norm" not in name and not name.endswith(("_bias", "_b", ".b_0"))


def accumulators(name: str, shape: tuple[int, ...], adam: AdamSettings) -> dict[str, tuple[tuple[int, ...], float]]:
    """Return the shape and initial value of a parameter's AdamW accumulators, by Paddle's names for them."""
    return {
        f"{name}_moment1_0": (shape, 0.0),
        f"{name}_moment2_0": (shape, 0.0),
        f"{name}_beta1_pow_acc_0": ((1,), adam.beta1),
        f"{name}_beta2_pow_acc_0": ((1,), adam.beta2),
    }


def add_update_variables(variables: Variables, parameters: dict[str, ParameterSpec], adam: AdamSettings) -> None:
    """Create the accumulators and gradient buffers that do not exist yet; the others keep their values."""
    for name, spec in parameters.items():
        for accumulator, (shape, value) in accumulators(name, spec.shape, adam).items():
            variables.add_filled(accumulator, shape, value)
        variables.add_filled(name + GRADIENT_SUFFIX, spec.shape, 0.0)
    variables.add_filled(LEARNING_RATE, (), 0.0)
    variables.add_filled(LOSS_SCALE, (1,), 1.0)
    variables.add_filled(GRADIENT_NORM, (1,), 0.0)
