"""One function over many items on several processes, with the results in order."""

import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from ernie_paddle.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Results of `function` in the order of the items, whatever the number of workers.

    `function` is pickled once per worker and keeps what it caches there. Each worker holds one item at a time and
    the items are taken as they are needed, so memory does not grow with their number.

    Raises:
        UserError: one that the function raised, or a worker died.
        RuntimeError: any other exception in a worker, with its traceback.
    """
    if workers == 1:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")
    waiting = iter(items)
    pipes: deque[Connection] = deque()
    processes = []
    try:
        for item in _first(waiting, workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(function, theirs), daemon=True)
            process.start()
            processes.append(process)
            theirs.close()
            ours.send(item)
            pipes.append(ours)
        while pipes:
            pipe = pipes.popleft()
            result = _received(pipe)
            for item in _first(waiting, 1):
                pipe.send(item)
                pipes.append(pipe)
            yield result
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _first(items: Iterator[Item], count: int) -> Iterator[Item]:
    for _, item in zip(range(count), items, strict=False):
        yield item


def _received(pipe: Connection) -> Any:
    try:
        done, value = pipe.recv()
    except (EOFError, ConnectionError):
        raise UserError("a worker process died, most likely for lack of memory; try fewer --workers") from None
    if done:
        return value
    if isinstance(value, UserError):
        raise value
    raise RuntimeError(f"in a worker process:\n{value}")


def _serve(function: Callable[[Any], Any], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        while True:
            item = pipe.recv()
            try:
                answer = (True, function(item))
            except UserError as error:
                answer = (False, error)
            except Exception:
                answer = (False, traceback.format_exc())
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
