"""Sums over the processes of a data-parallel job: NCCL on GPUs, gloo on CPUs.

`fleet` does not work on PIR programs in Paddle 3.3; `all_reduce` inside them does. Operators run in the order of the
program (trace mode), so that all processes meet in the same sum.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
import paddle
from paddle import distributed

from ernie_paddle.programs.building import new_program
from ernie_paddle.ranks import Ranks
from ernie_paddle.stopping import signals_end_at_once

BUCKET = 1 << 24  # float32 values summed at once


def connect(ranks: Ranks) -> None:
    """Meet the other processes; Paddle can do so in dynamic mode only."""
    if ranks.world > 1 and not distributed.is_initialized():
        paddle.disable_static()
        with signals_end_at_once():  # this waits for a quarter of an hour for processes that were stopped before
            distributed.init_parallel_env()
        paddle.enable_static()


def add_sums(values: Sequence[Any]) -> list[Any]:
    """Sums of Values over all processes, added to the program under construction, in few large messages."""
    sums: list[Any] = []
    for bucket in _buckets(values):
        flat = paddle.concat([paddle.reshape(value, [-1]) for value in bucket])
        flat = _all_reduce(flat)
        sizes = [prod(value.shape) for value in bucket]
        pieces = paddle.split(flat, sizes) if len(bucket) > 1 else [flat]
        sums += [paddle.reshape(piece, value.shape) for piece, value in zip(pieces, bucket, strict=True)]
    return sums


def _all_reduce(value: Any) -> Any:
    """The sum as a new Value: `distributed.all_reduce` works in place, which oneDNN's copies of a Value do not see."""
    return paddle._C_ops.all_reduce(value, 0, distributed.ReduceOp.SUM)


def _buckets(values: Sequence[Any]) -> list[list[Any]]:
    ends = list(accumulate(prod(value.shape) for value in values))
    buckets: dict[int, list[Any]] = {}
    for value, end in zip(values, ends, strict=True):
        buckets.setdefault((end - 1) // BUCKET, []).append(value)
    return list(buckets.values())


class Sums:
    """Sums of numpy arrays over all processes; the same arrays for a process alone."""

    def __init__(self, ranks: Ranks, place: Any):
        self._ranks = ranks
        self._executor = paddle.static.Executor(place)
        self._programs: dict[str, tuple[Any, Any]] = {}

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """The sum over all processes, of the same shape and dtype everywhere."""
        if self._ranks.world == 1:
            return array
        dtype = str(array.dtype)
        if dtype not in self._programs:
            with new_program() as main:
                value = paddle.static.data("array", [-1], dtype)
                self._programs[dtype] = (main, _all_reduce(value))
        main, value = self._programs[dtype]
        feed = {"array": np.ascontiguousarray(array).reshape(-1)}
        return self._executor.run(main, feed=feed, fetch_list=[value])[0].reshape(array.shape)

    def gathered(self, number: int) -> list[int]:
        """A number below 2**62 of each process, in their order."""
        numbers = np.zeros(self._ranks.world, np.int64)
        numbers[self._ranks.rank] = number
        return [int(one) for one in self(numbers)]

    def of_first(self, array: np.ndarray) -> np.ndarray:
        """The array of the first process."""
        return self(array if self._ranks.leads else np.zeros_like(array))
