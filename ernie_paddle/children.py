"""Child processes, which leave the handling of Ctrl-C and SIGTERM to their parent."""

from collections.abc import Callable
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from ernie_paddle.stopping import signals_held_back

Result = TypeVar("Result")


def start_process(function: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a new process that calls a module-level function and ends with its parent.

    The child ignores signals to the process group, which the parent handles.
    """
    process = get_context("spawn").Process(target=function, args=arguments, daemon=True)
    resource_tracker.ensure_running()  # otherwise the first start would start it, and it would unblock the signals
    try:
        with signals_held_back():
            process.start()
    except BaseException:  # such as a signal that was held back
        kill(process)
        raise
    return process


def kill(process: BaseProcess) -> None:
    """Kill a process if it was started and still runs."""
    if process.pid is not None:
        with signals_held_back():  # another signal must not interrupt this
            process.kill()
            process.join()


def call_in_new_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a module-level function in a new process, which ends with the call.

    Raises:
        RuntimeError: the process died.
        Exception: the function's exception.
    """
    receiver, sender = get_context("spawn").Pipe(duplex=False)
    process = None
    try:
        with signals_held_back():  # until `process` is set
            process = start_process(_send_result, sender, function, arguments)
        sender.close()
        try:
            succeeded, result = receiver.recv()
        except EOFError:
            process.join()
            raise RuntimeError(f"a process died with exit code {process.exitcode}") from None
    finally:
        if process is not None:
            kill(process)
    if not succeeded:
        raise result
    return result


def _send_result(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        pipe.send((True, function(*arguments)))
    except Exception as error:
        pipe.send((False, error))
