"""Apply a function to many items on several processes; results come in the order of the items."""

import gc
import multiprocessing
import pickle
import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Protocol, TypeVar

from ernie_paddle.children import kill, start_process
from ernie_paddle.errors import UserError
from ernie_paddle.stopping import signals_held_back

Item = TypeVar("Item")
Result = TypeVar("Result")
Worker = TypeVar("Worker")
Handle = TypeVar("Handle")

SECONDS_TO_STOP = 5.0
ITEMS_AHEAD = 3  # items sent to a worker at a time, so that it never waits for the next


class Engine(Protocol):
    """An executor of work items; used as a context manager."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results of `function` in the order of the items, with any number of workers.

        `function` is pickled once per worker and keeps its caches there. Items are taken from the iterable as they are
        needed, so that memory does not grow with their number.

        Raises:
            UserError: the function raised it, or a worker died.
            RuntimeError: the function raised another exception; the message holds its traceback.
        """


class Processes(AbstractContextManager["Processes"]):
    """Worker processes on this machine; one worker means this process itself."""

    def __init__(self, workers: int):
        self._count = workers if workers > 1 else 0
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> "Processes":
        _collect_garbage_less_often()
        try:
            self._start()
        except BaseException:
            self._end(0)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(SECONDS_TO_STOP if kind is None else 0)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        for _ in range(self._count):
            ours, theirs = context.Pipe()
            self._pipes.append(ours)
            with signals_held_back():  # until the process is in the list that `_end` goes through
                self._processes.append(start_process(_serve, theirs))
            theirs.close()

    def _end(self, seconds: float) -> None:
        """Close the pipes, which ends idle workers, and kill the workers that are still alive after `seconds`."""
        with signals_held_back():  # a second signal must not interrupt this
            for pipe in self._pipes:
                pipe.close()
            for process in self._processes:
                process.join(seconds)
                kill(process)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        if not self._count:
            yield from map(function, items)
            return
        for pipe in self._pipes:
            _send(pipe, function, None)
        yield from in_order(self._pipes, _sent, _received, items)


def in_order(
    workers: Sequence[Worker],
    send: Callable[[Worker, Any], Handle],
    receive: Callable[[Handle], Any],
    items: Iterable[Any],
) -> Iterator[Any]:
    """Yield results in the order of the items; a worker has at most `ITEMS_AHEAD` items at a time."""
    waiting = iter(items)
    busy = deque((worker, send(worker, item)) for worker, item in zip([*workers] * ITEMS_AHEAD, waiting, strict=False))
    while busy:
        worker, handle = busy.popleft()
        result = receive(handle)
        busy.extend((worker, send(worker, item)) for item in islice(waiting, 1))
        yield result


def _collect_garbage_less_often() -> None:
    """Raise the threshold of the garbage collector: samples have no cycles, and its default costs 6 % of the time."""
    gc.set_threshold(100_000, 10, 10)


def _send(pipe: Connection, function: Callable[[Any], Any] | None, item: Any) -> None:
    try:
        pipe.send((function, item))
    except ConnectionError:
        raise _died() from None


def _sent(pipe: Connection, item: Any) -> Connection:
    _send(pipe, None, item)
    return pipe


def _died() -> UserError:
    return UserError("a worker process died, most likely for lack of memory; try fewer --workers")


def _received(pipe: Connection) -> Any:
    try:
        done, value = pipe.recv()
    except (EOFError, ConnectionError):
        raise _died() from None
    if done:
        return value
    if isinstance(value, UserError):
        raise value
    raise RuntimeError(f"in a worker process:\n{value}")


def _serve(pipe: Connection) -> None:
    _collect_garbage_less_often()
    # With `fork`, locks that libraries create are unlinked at once; otherwise a killed process would leak them.
    multiprocessing.set_start_method("fork", force=True)
    # Separate threads read and send, so that the work continues while the parent is not ready to receive.
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    results: queue.Queue[tuple[bool, Any]] = queue.Queue(ITEMS_AHEAD)
    threading.Thread(target=_receive_all, args=(pipe, messages), daemon=True).start()
    threading.Thread(target=_send_all, args=(pipe, results), daemon=True).start()
    function: Callable[[Any], Any] | None = None
    while (message := messages.get()) is not None:
        new_function, item = message
        if new_function is not None:
            function = new_function
            gc.collect()  # frees the caches of the previous function
        else:
            results.put(_result(function, item))


def _receive_all(pipe: Connection, messages: "queue.SimpleQueue[Any]") -> None:
    try:
        while True:
            messages.put(_loaded(pipe.recv_bytes()))
    except (EOFError, ConnectionError, OSError):
        messages.put(None)


def _loaded(message: bytes) -> tuple[Any, Any]:
    """Unpickle a function and an item. A message that cannot be loaded gives a function that raises the error."""
    try:
        function, item = pickle.loads(message)
    except Exception:
        return partial(_raise, f"its work cannot be loaded:\n{traceback.format_exc()}"), None
    return function, item


def _raise(message: str, item: Any) -> None:
    raise RuntimeError(message)


def _send_all(pipe: Connection, results: "queue.Queue[tuple[bool, Any]]") -> None:
    with suppress(ConnectionError):  # the parent is gone, so this process ends too
        while True:
            pipe.send(results.get())


def _result(function: Any, item: Any) -> tuple[bool, Any]:
    """Return whether the function succeeded, and its result, its `UserError` or a traceback."""
    try:
        return True, function(item)
    except UserError as error:
        return False, error
    except Exception:
        return False, traceback.format_exc()
