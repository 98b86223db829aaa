"""Processes that this one starts, and that leave Ctrl-C and SIGTERM to it."""

from collections.abc import Callable
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from ernie_paddle.stopping import signals_held_back

Result = TypeVar("Result")


def started(function: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a fresh process that calls a function of a module, and that does not outlive this one.

    A signal that reaches the whole group does nothing there: it is this process's to handle.
    """
    process = get_context("spawn").Process(target=function, args=arguments, daemon=True)
    resource_tracker.ensure_running()  # with the first process it would start in between, and let the signals through
    try:
        with signals_held_back():
            process.start()
    except BaseException:  # a signal that was held back is raised here
        end(process)
        raise
    return process


def end(process: BaseProcess) -> None:
    """Kill a process, if it was started and is still there."""
    if process.pid is not None:
        with signals_held_back():  # a second one must not end this
            process.kill()
            process.join()


def called_in_fresh_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function of a module in a new process, which ends with the call, however that ends.

    Raises:
        RuntimeError: the process died.
        Exception: what the function raised.
    """
    ours, theirs = get_context("spawn").Pipe(duplex=False)
    process = None
    try:
        with signals_held_back():  # until it is known here
            process = started(_answer, theirs, function, arguments)
        theirs.close()
        try:
            done, value = ours.recv()
        except EOFError:
            process.join()
            raise RuntimeError(f"a process died with exit code {process.exitcode}") from None
    finally:
        if process is not None:
            end(process)
    if not done:
        raise value
    return value


def _answer(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        pipe.send((True, function(*arguments)))
    except Exception as error:
        pipe.send((False, error))
