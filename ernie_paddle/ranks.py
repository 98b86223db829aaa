"""The rank of this process in a data-parallel job, which `paddle.distributed.launch` puts in the environment."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """The rank of this process among `world` processes. Only the main process, rank 0, writes files."""

    rank: int = 0
    world: int = 1

    @classmethod
    def of_this_process(cls) -> "Ranks":
        """Return the ranks that the launcher set, or those of a single process."""
        return cls(int(os.environ.get("PADDLE_TRAINER_ID", "0")), int(os.environ.get("PADDLE_TRAINERS_NUM", "1")))

    @property
    def is_main_process(self) -> bool:
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this process's share of the items; the sizes of the shares differ by at most one."""
        return items[self.rank :: self.world]
