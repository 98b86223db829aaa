"""Recomputation: layers are computed again for their gradients instead of being kept from the forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import paddle

NEVER_AGAIN = ("builtin.parameter", "pd_op.data")


@dataclass(frozen=True)
class Segment:
    """A layer: the ids of its operators, and the Value it gives."""

    operators: set[int]
    output: Any


def recompute(main: Any, forward: set[int], segments: Sequence[Segment], kept: Sequence[Any]) -> None:
    """Let the gradients of a program use copies of its layers that run right before them.

    All operators but those of `forward` belong to the gradients. Outputs of layers are not computed again, nor is
    anything that an operator gives which gave one of `kept`: it drew random numbers.
    """
    block = main.global_block()
    gradients = {operator.id() for operator in block.ops} - forward
    for segment in reversed(segments):
        operators = block.ops
        again, first_user = _needed(operators, segment, gradients, kept)
        values = paddle.pir.IrMapping()
        for value in (value for operator in operators for value in operator.results()):
            values.add(value, value)
        paddle.pir.set_insertion_point(operators[first_user])
        for i in again:
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
    """Which operators of the segment the gradients need again, in order, and the first operator that needs one."""
    place = {operator.id(): i for i, operator in enumerate(operators)}
    needed: set[int] = set()
    first_user = len(operators) - 1
    for i in sorted((place[one] for one in segment.operators), reverse=True):
        results = operators[i].results()
        if operators[i].name() in NEVER_AGAIN or any(value.is_same(one) for value in results for one in kept):
            continue
        for value in results:
            if value.is_same(segment.output):
                continue
            users = {place[user.id()] for user in value.all_used_ops()}
            by_gradients = {user for user in users if operators[user].id() in gradients}
            if by_gradients or users & needed:
                needed.add(i)
            first_user = min([first_user, *by_gradients])
    return sorted(needed), first_user
