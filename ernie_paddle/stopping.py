"""Ctrl-C and SIGTERM: both ask a command to stop, and it ends in one line that says how to go on.

Inside `stop_on_signals` a signal raises `Stopped` where the program stands. Inside `postponed_stop` it is only noted,
so that work which must not be cut can be brought to a good end.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 75}  # 75 asks a scheduler for another try
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(BaseException):
    """The process was asked to stop. `advice` says how to go on, if that is known where it was raised."""

    def __init__(self, number: int, advice: str = ""):
        super().__init__(number, advice)
        self.advice = advice
        self.name, self.exit_code = NAMES[signal.Signals(number)], EXIT_CODES[signal.Signals(number)]


class _Handler:
    """The handler of both signals; it is found again through `signal.getsignal`."""

    def __init__(self) -> None:
        self.postponed = False
        self.came: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        again = self.came is not None
        self.came = self.came or number
        # Schedulers repeat SIGTERM while they wait; people press Ctrl-C twice when they mean at once.
        if not self.postponed or (again and number == signal.SIGINT):
            raise Stopped(number)


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise `Stopped` in the main thread; one that was ignored before stays ignored."""
    handler = _Handler()
    before = {number: signal.getsignal(number) for number in EXIT_CODES}
    changed = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    for number in changed:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in changed.items():
            signal.signal(number, old)


@contextmanager
def postponed_stop() -> Iterator[Callable[[], int | None]]:
    """Note a signal instead of raising `Stopped`; a second Ctrl-C raises it at once.

    Yields a function that returns the number of the signal that came, or None. The caller has to act on it.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if not isinstance(handler, _Handler):  # a library call, outside the command line: the caller's handlers stay
        yield lambda: None
        return
    handler.postponed = True
    try:
        yield lambda: handler.came
    finally:
        handler.postponed = False


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold both signals back until the block ends, then restore Python's handlers, which the block may have replaced.

    For imports: some swallow every exception, and Paddle's replaces the handler of SIGTERM. Processes started in the
    block hold the signals back for good, so that they are their parent's to handle.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, EXIT_CODES)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number in EXIT_CODES:
                if (handler := signal.getsignal(number)) is not None:
                    signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
