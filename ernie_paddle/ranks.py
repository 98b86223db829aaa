"""The rank of this process in a data-parallel job.

Whatever starts the processes says so in the environment:

    PADDLE_TRAINERS_NUM    number of processes
    PADDLE_TRAINER_ID      rank of this process, from 0
    PADDLE_MASTER          HOST:PORT, machine of rank 0 and a free port on it
    PADDLE_LOCAL_RANK      number of this process on its machine, from 0 (default: its rank)
    ERNIE_CONNECT_SECONDS  seconds that ranks wait for each other at the start
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ernie_paddle.errors import UserError

CONNECT_SECONDS = 300

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """The rank of this process among `world` processes. Only the main process, rank 0, writes files."""

    rank: int = 0
    world: int = 1

    @classmethod
    def of_this_process(cls) -> "Ranks":
        """Return the ranks that the launcher set, or those of a single process.

        Raises:
            UserError: a variable is not a number, or the rank is not below the number of processes.
        """
        ranks = cls(_number("PADDLE_TRAINER_ID", 0), _number("PADDLE_TRAINERS_NUM", 1))
        if ranks.rank >= ranks.world:
            raise UserError(
                f"PADDLE_TRAINER_ID {ranks.rank}: with PADDLE_TRAINERS_NUM {ranks.world}, ranks are below {ranks.world}"
            )
        return ranks

    @property
    def is_main_process(self) -> bool:
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this process's share of the items; the sizes of the shares differ by at most one."""
        return items[self.rank :: self.world]

    def balanced(self, sizes: Sequence[int]) -> list[int]:
        """Return the numbers of this process's items, in order, where item i has the size `sizes[i]`.

        The processes get equal totals as nearly as one pass from the largest item allows. Their numbers of items differ
        by at most one.
        """
        shares: list[list[int]] = [[] for _ in range(self.world)]
        totals = [0] * self.world
        for number in sorted(range(len(sizes)), key=lambda number: (-sizes[number], number)):
            rank = min(range(self.world), key=lambda rank: (len(shares[rank]), totals[rank], rank))
            shares[rank].append(number)
            totals[rank] += sizes[number]
        return sorted(shares[self.rank])


def local_rank() -> int:
    """Return the number of this process on its machine.

    Where the launcher did not set it, this is the rank: modulo the number of devices, it is right if all machines have
    equally many.
    """
    return _number("PADDLE_LOCAL_RANK", Ranks.of_this_process().rank)


def master() -> tuple[str, int]:
    """Return host and port at which the ranks meet.

    Raises:
        UserError: PADDLE_MASTER is missing or not HOST:PORT.
    """
    host, _, port = os.environ.get("PADDLE_MASTER", "").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UserError(
            f"PADDLE_MASTER '{os.environ.get('PADDLE_MASTER', '')}': is not HOST:PORT, the machine of rank 0 and a "
            "free port on it; tools/launch.sh and tools/slurm.sh set it"
        )
    return host.strip("[]"), int(port)


def connect_seconds() -> int:
    """Return how many seconds ranks wait for each other at the start."""
    return _number("ERNIE_CONNECT_SECONDS", CONNECT_SECONDS)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise UserError(f"{name} '{text}': is not a number")
    return int(text)
