"""The same work on a Ray cluster, whose machines must see the same files."""

import importlib.util
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar

from data_builders.workers import in_order
from ernie_paddle.errors import UserError
from ernie_paddle.stopping import signals_held_back

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Worker:
    """An actor: keeps the function of the map under way, with what it caches."""

    def __init__(self) -> None:
        self._function: Callable[[Any], Any] | None = None

    def take(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def answer(self, item: Any) -> tuple[bool, Any]:
        assert self._function is not None
        try:
            return True, self._function(item)
        except UserError as error:
            return False, str(error)


class RayWorkers(AbstractContextManager["RayWorkers"]):
    """Actors on the cluster that `RAY_ADDRESS` names, or on one that is started here; an `Engine`."""

    def __init__(self, workers: int):
        if importlib.util.find_spec("ray") is None:
            raise UserError("--engine ray: the package is missing: pip install 'ernie-paddle[ray]'")
        self._count = workers

    def __enter__(self) -> "RayWorkers":
        import ray

        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            with signals_held_back():  # Ray replaces the handler of SIGTERM
                ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
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
        self._ray.get([worker.take.remote(packed) for worker in self._workers])
        yield from in_order(self._workers, lambda worker, item: worker.answer.remote(item), self._received, items)

    def _received(self, answer: Any) -> Any:
        try:
            done, value = self._ray.get(answer)
        except self._ray.exceptions.RayActorError as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"a Ray worker died, most likely for lack of memory: {reason}") from None
        except self._ray.exceptions.RayTaskError:
            raise RuntimeError(f"in a Ray worker:\n{traceback.format_exc()}") from None
        if not done:
            raise UserError(value)
        return value
