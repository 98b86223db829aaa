"""Functions that worker processes can find."""

import os

from ernie_paddle.errors import UserError


def squared(item: int) -> int:
    return item * item


def process_of(item: int) -> int:
    return os.getpid()


def failing(item: int) -> int:
    if item == 5:
        raise UserError("item 5 is no good")
    if item == 7:
        raise ValueError("a fault of ours")
    return item


def dying(item: int) -> int:
    if item == 3:
        os._exit(1)
    return item
