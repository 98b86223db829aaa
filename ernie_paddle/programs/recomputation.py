"""Recomputation of layers for their gradients, which saves keeping their activations from the forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import paddle

NOT_RECOMPUTED = ("builtin.parameter", "pd_op.data")


@dataclass(frozen=True)
class Segment:
    """A layer: the ids of its operators and its output Value."""

    operators: set[int]
    output: Any


def recompute_layers(main: Any, forward: set[int], segments: Sequence[Segment], kept: Sequence[Any]) -> None:
    """Let the gradients of a program use copies of its layers, which run right before them.

    `forward` are the ids of the forward operators; all others belong to the gradients. The outputs of layers are not
    recomputed, nor are operators with a result among `kept`, whose random numbers must not be sampled twice.
    """
    block = main.global_block()
    gradients = {operator.id() for operator in block.ops} - forward
    for segment in reversed(segments):
        operators = block.ops
        needed, first_user = _needed(operators, segment, gradients, kept)
        values = paddle.pir.IrMapping()
        for value in (value for operator in operators for value in operator.results()):
            values.add(value, value)
        paddle.pir.set_insertion_point(operators[first_user])
        for i in needed:
            copy = operators[i].clone(values, paddle.pir.CloneOptions(False, True, True))
            for value, copied in zip(operators[i].results(), copy.results(), strict=True):
                if value.is_same(segment.output):
                    values.add(value, value)
                else:
                    users = {user for user in value.all_used_ops() if user.id() in gradients}
                    value.replace_grad_users_with(copied, users)
    paddle.pir.reset_insertion_point_to_end()


def _needed(
    operators: Sequence[Any], segment: Segment, gradients: set[int], kept: Sequence[Any]
) -> tuple[list[int], int]:
    """Return the sorted indices of the operators that gradients need, and the index of the first reader."""
    index = {operator.id(): i for i, operator in enumerate(operators)}
    needed: set[int] = set()
    first_user = len(operators) - 1
    present = segment.operators & index.keys()  # casts of weights may be gone
    for i in sorted((index[operator] for operator in present), reverse=True):
        results = operators[i].results()
        is_kept = any(value.is_same(kept_value) for value in results for kept_value in kept)
        if operators[i].name() in NOT_RECOMPUTED or is_kept:
            continue
        for value in results:
            if value.is_same(segment.output):
                continue
            users = {index[user.id()] for user in value.all_used_ops()}
            by_gradients = {user for user in users if operators[user].id() in gradients}
            if by_gradients or users & needed:
                needed.add(i)
            first_user = min([first_user, *by_gradients])
    return sorted(needed), first_user
