"""The same engine on a Ray cluster, whose machines must share a file system."""

import importlib.util
import logging
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar

from data_builders.workers import in_order
from ernie_paddle.errors import UserError
from ernie_paddle.stopping import Stopped, signals_held_back

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Worker:
    """An actor that keeps the function of the current `map`, with its caches."""

    def __init__(self) -> None:
        self._function: Callable[[Any], Any] | None = None

    def set_function(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def apply(self, item: Any) -> tuple[bool, Any]:
        assert self._function is not None
        try:
            return True, self._function(item)
        except UserError as error:
            return False, str(error)


class RayWorkers(AbstractContextManager["RayWorkers"]):
    """An `Engine` of actors on the cluster that `RAY_ADDRESS` names, or on one that it starts on this machine."""

    def __init__(self, workers: int):
        if importlib.util.find_spec("ray") is None:
            raise UserError("--engine ray: Ray is not installed: pip install 'ernie-paddle[ray]'")
        self._count = workers

    def __enter__(self) -> "RayWorkers":
        import ray

        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            try:
                with signals_held_back():  # Ray replaces the SIGTERM handler by one that exits
                    ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
            except SystemExit:
                raise Stopped(signal.SIGTERM) from None
        share = min(1.0, int(1000 * ray.cluster_resources().get("CPU", 1.0) / self._count) / 1000)
        actor: Any = ray.remote(num_cpus=share)(_Worker)
        self._workers = [actor.remote() for _ in range(self._count)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            self._ray.kill(worker)
        if self._started:
            self._ray.shutdown()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        packed = self._ray.put(function)
        self._ray.get([worker.set_function.remote(packed) for worker in self._workers])
        yield from in_order(self._workers, lambda worker, item: worker.apply.remote(item), self._received, items)

    def _received(self, reference: Any) -> Any:
        try:
            done, value = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"a Ray worker died, most likely for lack of memory: {reason}") from None
        except self._ray.exceptions.RayTaskError:
            raise RuntimeError(f"in a Ray worker:\n{traceback.format_exc()}") from None
        if not done:
            raise UserError(value)
        return value
