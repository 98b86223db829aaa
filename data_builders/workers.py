"""One function over many items on several processes, with the results in order."""

import gc
import multiprocessing
import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Protocol, TypeVar

from ernie_paddle.children import end, started
from ernie_paddle.errors import UserError
from ernie_paddle.stopping import signals_held_back

Item = TypeVar("Item")
Result = TypeVar("Result")
Worker = TypeVar("Worker")
Answer = TypeVar("Answer")

SECONDS_TO_END = 5.0
AHEAD = 3  # items that a worker has at a time, so that it need not wait for the next


class Engine(Protocol):
    """Something that computes on many items; used within `with`."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results of `function` in the order of the items, however many workers there are.

        `function` is pickled once per worker and keeps what it caches there. Items are taken as they are needed,
        so memory does not grow with their number.

        Raises:
            UserError: one that the function raised, or a worker died.
            RuntimeError: any other exception in a worker, with its traceback.
        """


class Processes(AbstractContextManager["Processes"]):
    """Processes of this machine; with one worker, this process itself."""

    def __init__(self, workers: int):
        self._count = workers if workers > 1 else 0
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> "Processes":
        _collect_seldom()
        try:
            self._start()
        except BaseException:
            self._end(0)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(SECONDS_TO_END if kind is None else 0)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        for _ in range(self._count):
            ours, theirs = context.Pipe()
            self._pipes.append(ours)
            with signals_held_back():  # until it is among those that are ended
                self._processes.append(started(_serve, theirs))
            theirs.close()

    def _end(self, seconds: float) -> None:
        """Close the pipes, whereupon idle workers end, and kill those that are still there after so long."""
        with signals_held_back():  # a second one must not end this
            for pipe in self._pipes:
                pipe.close()
            for process in self._processes:
                process.join(seconds)
                end(process)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        if not self._count:
            yield from map(function, items)
            return
        for pipe in self._pipes:
            _send(pipe, function, None)
        yield from in_order(self._pipes, _sent, _received, items)


def in_order(
    workers: Sequence[Worker],
    send: Callable[[Worker, Any], Answer],
    receive: Callable[[Answer], Any],
    items: Iterable[Any],
) -> Iterator[Any]:
    """Results in the order of the items, a worker having at most `AHEAD` of them at a time."""
    waiting = iter(items)
    busy = deque((worker, send(worker, item)) for worker, item in zip([*workers] * AHEAD, waiting, strict=False))
    while busy:
        worker, answer = busy.popleft()
        result = receive(answer)
        busy.extend((worker, send(worker, item)) for item in islice(waiting, 1))
        yield result


def _collect_seldom() -> None:
    """Samples are many small objects without cycles: looking for cycles so often takes 6 % of the time."""
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
    _collect_seldom()
    # The locks that libraries make then go at once, and none is left, and complained of, when this process is killed.
    multiprocessing.set_start_method("fork", force=True)
    # Read and sent by threads of their own, so that the work goes on while the parent is not ready for an answer.
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    answers: queue.Queue[tuple[bool, Any]] = queue.Queue(AHEAD)
    threading.Thread(target=_receive_all, args=(pipe, messages), daemon=True).start()
    threading.Thread(target=_send_all, args=(pipe, answers), daemon=True).start()
    function: Callable[[Any], Any] | None = None
    while (message := messages.get()) is not None:
        new_function, item = message
        if new_function is not None:
            function = new_function
            gc.collect()  # whatever the last one kept
        else:
            answers.put(_answer(function, item))


def _receive_all(pipe: Connection, messages: "queue.SimpleQueue[Any]") -> None:
    try:
        while True:
            messages.put(pipe.recv())
    except (EOFError, ConnectionError, OSError):
        messages.put(None)


def _send_all(pipe: Connection, answers: "queue.Queue[tuple[bool, Any]]") -> None:
    with suppress(ConnectionError):  # the parent is gone, and so is this process soon
        while True:
            pipe.send(answers.get())


def _answer(function: Any, item: Any) -> tuple[bool, Any]:
    try:
        return True, function(item)
    except UserError as error:
        return False, error
    except Exception:
        return False, traceback.format_exc()
