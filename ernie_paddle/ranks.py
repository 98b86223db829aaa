"""Which process of a data-parallel job this is; `paddle.distributed.launch` says so in the environment."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """This process's number among `world` processes; the first one, 0, leads: it alone writes files."""

    rank: int = 0
    world: int = 1

    @classmethod
    def of_this_process(cls) -> "Ranks":
        """As the launcher says; alone without one."""
        return cls(int(os.environ.get("PADDLE_TRAINER_ID", "0")), int(os.environ.get("PADDLE_TRAINERS_NUM", "1")))

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """This process's part of what all processes do together; the parts differ by at most one in size."""
        return items[self.rank :: self.world]
