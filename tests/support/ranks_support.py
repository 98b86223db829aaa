"""The ranks of a job as threads of one process: nothing is computed, sums are over threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import numpy as np
import pytest

from ernie_paddle.programs.collectives import Collectives
from ernie_paddle.ranks import Ranks
from ernie_paddle.rendezvous import Rendezvous
from ernie_paddle.training.trainer import Trainer

Found = TypeVar("Found")


class ThreadRendezvous(Rendezvous):
    """The rendezvous of a job whose ranks are threads that share `barrier`."""

    def __init__(self, barrier: Barrier):
        self._barrier = barrier

    def barrier(self) -> None:
        self._barrier.wait(timeout=20)


class ThreadCollectives(Collectives):
    """The collectives of a job whose ranks are threads that share `barrier` and `arrays`."""

    def __init__(self, ranks: Ranks, barrier: Barrier, arrays: dict[int, np.ndarray]):
        self.rendezvous = ThreadRendezvous(barrier)
        self._ranks, self._barrier, self._arrays = ranks, barrier, arrays

    def all_reduce(self, array: np.ndarray) -> np.ndarray:
        self._arrays[self._ranks.rank] = array
        self._barrier.wait(timeout=20)
        total = sum(self._arrays.values(), np.zeros_like(array))
        self._barrier.wait(timeout=20)
        return total


def trainers_of_ranks(make: Callable[[], Trainer], monkeypatch: pytest.MonkeyPatch, world: int = 2) -> list[Trainer]:
    """Return the trainers of a job's ranks, made as in its processes; collectives connect threads."""
    trainers, barrier, arrays = [], Barrier(world), dict[int, np.ndarray]()
    with monkeypatch.context() as launched:
        launched.setattr("ernie_paddle.programs.session.connect", lambda ranks, place: Collectives(ranks, Rendezvous()))
        launched.setenv("PADDLE_TRAINERS_NUM", str(world))
        for rank in range(world):
            launched.setenv("PADDLE_TRAINER_ID", str(rank))
            trainers.append(make())
            trainers[-1].session.collectives = ThreadCollectives(trainers[-1].ranks, barrier, arrays)
    return trainers


def without_computing(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Return a trainer whose steps compute nothing, with a loss of 1 and one correct prediction for each task."""
    session, sums = trainer.session, {name: np.ones(2) for name in trainer.tasks}
    monkeypatch.setattr(session, "add_gradients", lambda *_: None)
    monkeypatch.setattr(session, "update", lambda *_: True)
    monkeypatch.setattr(session, "take_metrics", lambda: sums)
    monkeypatch.setattr(session, "products", lambda tasks: (1, 0))
    monkeypatch.setattr(session, "gradient_norm", lambda: 1.0)
    return trainer


def together(trainers: Sequence[Trainer], do: Callable[[Trainer], Found]) -> list[Found]:
    """Call a function with the trainer of every rank at the same time; return the results by rank."""
    with ThreadPoolExecutor(len(trainers)) as pool:
        return list(pool.map(do, trainers))
