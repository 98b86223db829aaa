"""Functions that worker processes can find."""

import multiprocessing
import os
import signal
from typing import Any

from ernie_paddle.errors import UserError

_kept: list[Any] = []


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


def signals_held_back(item: int) -> set[int]:
    """Return the signals that are blocked in this process."""
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])}


def name_of_lock(item: int) -> str | None:
    """Create and keep a lock as libraries do; return its name if it is a semaphore that must be unlinked."""
    _kept.append(multiprocessing.RLock())
    return _kept[-1]._semlock.name  # type: ignore[no-any-return]
