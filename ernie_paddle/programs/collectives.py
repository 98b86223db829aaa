"""Collectives over the processes of a data-parallel job.

Sums in programs use ring 0: NCCL on GPUs, gloo on CPUs. Sums of numpy arrays use ring 1, which is always gloo, so that
they never wait for a device. `fleet` does not work on PIR programs in Paddle 3.3; `all_reduce` inside them does.
Operators run in program order (trace mode), so all processes reach the collectives in the same order.
"""

import functools
import os
import socket
from collections.abc import Sequence
from hashlib import md5
from typing import Any

import numpy as np
import paddle
from paddle.distributed import ReduceOp

from ernie_paddle.errors import UserError
from ernie_paddle.programs.building import cast, new_program
from ernie_paddle.ranks import Ranks, connect_seconds, master
from ernie_paddle.rendezvous import Rendezvous, interface_of, join

PROGRAM_RING, HOST_RING = 0, 1


def connect(ranks: Ranks, place: Any) -> "Collectives":
    """Connect to the other processes of the job, once in a process.

    Raises:
        UserError: the environment is incomplete, or the processes do not find each other.
    """
    if ranks.world == 1:
        return Collectives(ranks, Rendezvous())
    return _connected(ranks, place.get_device_id() if place.is_gpu_place() else None)


@functools.cache
def _connected(ranks: Ranks, gpu: int | None) -> "Collectives":
    host, port = master()
    store, store_port = _serving_store() if ranks.is_main_process else (None, 0)
    rendezvous = join(ranks, host, port, connect_seconds(), store_port)
    if interface := interface_of(rendezvous.address):  # gloo takes that of the host name, which may be 127.0.1.1
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    try:
        # With 0 the store waits for nobody: the ranks have met already.
        store = store or paddle.base.core.TCPStore(host, rendezvous.store_port, False, 0)
        _create_rings(store, ranks, gpu, f"{host}:{port}")
    except (RuntimeError, OSError, ValueError) as error:
        if rendezvous.failure:
            raise rendezvous.failure from None
        raise UserError(
            f"rank {ranks.rank} on {socket.gethostname()} reaches {host}:{port} (PADDLE_MASTER), but not all ranks "
            f"({' '.join(str(error).split())}): set GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME to the network interface "
            "that the machines share, and check that no firewall blocks ports between them"
        ) from None
    return Collectives(ranks, rendezvous)


def _serving_store() -> tuple[Any, int]:
    """Return a store, through which Paddle's communicators find each other, and the free port that it serves at."""
    with socket.socket() as reserved:  # keeps the port until the store has it: Paddle aborts where it is in use
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("", 0))
        port = reserved.getsockname()[1]
        return paddle.base.core.TCPStore("127.0.0.1", port, True, 0), port


def _create_rings(store: Any, ranks: Ranks, gpu: int | None, job: str) -> None:
    manager: Any = paddle.base.core.CommContextManager
    manager.create_gloo_comm_context(store, str(HOST_RING), ranks.rank, ranks.world)
    if gpu is None:
        manager.create_gloo_comm_context(store, str(PROGRAM_RING), ranks.rank, ranks.world)
    else:
        paddle.device.set_device(f"gpu:{gpu}")
        manager.set_device_id(gpu)
        key = md5(f"{job} {PROGRAM_RING}".encode(), usedforsecurity=False).hexdigest()
        manager.create_nccl_comm_context(store, str(PROGRAM_RING), ranks.rank, ranks.world, key)


def all_reduce(values: Sequence[Any], dtype: Any = paddle.float32) -> list[Any]:
    """Sum Values over all processes, each by a message of its own in this dtype; return the sums in float32."""
    return [cast(_reduced(cast(value, dtype), PROGRAM_RING), paddle.float32) for value in values]


def _reduced(value: Any, ring: int) -> Any:
    """Return the sum as a new Value: `distributed.all_reduce` works in place, which misses oneDNN's copy of a Value."""
    return paddle._C_ops.all_reduce(value, ring, ReduceOp.SUM)


class Collectives:
    """Collectives of numpy arrays over all processes. A single process gets its own arrays back."""

    def __init__(self, ranks: Ranks, rendezvous: Rendezvous):
        self.rendezvous = rendezvous
        self._ranks = ranks
        self._executor = paddle.static.Executor(paddle.CPUPlace())
        self._programs: dict[str, tuple[Any, Any]] = {}

    def all_reduce(self, array: np.ndarray) -> np.ndarray:
        """Return the sum over all processes, which must pass the same shape and dtype.

        Raises:
            Failure: another rank has failed.
        """
        if self._ranks.world == 1:
            return array
        dtype = str(array.dtype)
        if dtype not in self._programs:
            with new_program() as main:
                value = paddle.static.data("array", [-1], dtype)
                self._programs[dtype] = (main, _reduced(value, HOST_RING))
        main, value = self._programs[dtype]
        feed = {"array": np.ascontiguousarray(array).reshape(-1)}
        self.rendezvous.barrier()
        return self._executor.run(main, feed=feed, fetch_list=[value])[0].reshape(array.shape)

    def all_gather(self, number: int) -> list[int]:
        """Return the number of each process, below 2**62, in the order of ranks."""
        numbers = np.zeros(self._ranks.world, np.int64)
        numbers[self._ranks.rank] = number
        return [int(number) for number in self.all_reduce(numbers)]

    def broadcast(self, array: np.ndarray) -> np.ndarray:
        """Return the array of rank 0."""
        return self.all_reduce(array if self._ranks.is_main_process else np.zeros_like(array))
