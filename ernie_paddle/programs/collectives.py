"""Collectives over the processes of a data-parallel job: NCCL on GPUs, gloo on CPUs.

`fleet` does not work on PIR programs in Paddle 3.3; `all_reduce` inside them does. Operators run in program order
(trace mode), so all processes reach the collectives in the same order.
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

BUCKET = 1 << 24  # float32 values in one message


def connect(ranks: Ranks) -> None:
    """Connect to the other processes."""
    if ranks.world > 1 and not distributed.is_initialized():
        paddle.disable_static()  # Paddle connects in dynamic mode only
        with signals_end_at_once():  # this waits a quarter of an hour for processes that have stopped
            distributed.init_parallel_env()
        paddle.enable_static()


def all_reduce(values: Sequence[Any]) -> list[Any]:
    """Sum Values over all processes. Adds a few large messages to the program under construction."""
    sums: list[Any] = []
    for bucket in _buckets(values):
        flat = paddle.concat([paddle.reshape(value, [-1]) for value in bucket])
        flat = _reduced(flat)
        sizes = [prod(value.shape) for value in bucket]
        pieces = paddle.split(flat, sizes) if len(bucket) > 1 else [flat]
        sums += [paddle.reshape(piece, value.shape) for piece, value in zip(pieces, bucket, strict=True)]
    return sums


def _reduced(value: Any) -> Any:
    """Return the sum as a new Value: `distributed.all_reduce` works in place, which misses oneDNN's copy of a Value."""
    return paddle._C_ops.all_reduce(value, 0, distributed.ReduceOp.SUM)


def _buckets(values: Sequence[Any]) -> list[list[Any]]:
    ends = list(accumulate(prod(value.shape) for value in values))
    buckets: dict[int, list[Any]] = {}
    for value, end in zip(values, ends, strict=True):
        buckets.setdefault((end - 1) // BUCKET, []).append(value)
    return list(buckets.values())


class Collectives:
    """Collectives of numpy arrays over all processes. A single process gets its own arrays back."""

    def __init__(self, ranks: Ranks, place: Any):
        self._ranks = ranks
        self._executor = paddle.static.Executor(place)
        self._programs: dict[str, tuple[Any, Any]] = {}

    def all_reduce(self, array: np.ndarray) -> np.ndarray:
        """Return the sum over all processes, which must pass the same shape and dtype."""
        if self._ranks.world == 1:
            return array
        dtype = str(array.dtype)
        if dtype not in self._programs:
            with new_program() as main:
                value = paddle.static.data("array", [-1], dtype)
                self._programs[dtype] = (main, _reduced(value))
        main, value = self._programs[dtype]
        feed = {"array": np.ascontiguousarray(array).reshape(-1)}
        return self._executor.run(main, feed=feed, fetch_list=[value])[0].reshape(array.shape)

    def all_gather(self, number: int) -> list[int]:
        """Return the number of each process, below 2**62, in the order of ranks."""
        numbers = np.zeros(self._ranks.world, np.int64)
        numbers[self._ranks.rank] = number
        return [int(number) for number in self.all_reduce(numbers)]

    def broadcast(self, array: np.ndarray) -> np.ndarray:
        """Return the array of rank 0."""
        return self.all_reduce(array if self._ranks.is_main_process else np.zeros_like(array))
