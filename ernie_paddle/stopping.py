"""Ctrl-C and SIGTERM: both ask a command to stop, and it ends in one line that says how to go on.

Inside `stop_on_signals` a signal raises `Stopped` where the program stands. Inside `postponed_stop` it is only noted,
so that work which must not be cut can be brought to a good end.
"""

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Modules under which exceptions get lost: what is imported may swallow any, and so do Paddle's operators, which ask
# `traceback` for the lines of source that they stand for.
LOSING = frozenset({"importlib._bootstrap", "traceback"})
SECONDS_TO_WAIT = 0.01  # before a signal that came at a bad moment is sent again
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 75}  # 75 asks a scheduler for another try
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(BaseException):
    """The process was asked to stop. `advice` says how to go on, if that is known where it was raised."""

    def __init__(self, number: int, advice: str = ""):
        super().__init__(number, advice)
        self.number, self.advice = number, advice
        self.name, self.exit_code = NAMES[signal.Signals(number)], EXIT_CODES[signal.Signals(number)]


def stop_behind(error: BaseException | None) -> Stopped | None:
    """The `Stopped` that a library turned into an error of its own, as Paddle's operators do, or None."""
    while error is not None and not isinstance(error, Stopped):
        error = error.__cause__ or error.__context__
    return error


class _Handler:
    """The handler of both signals; it is found again through `signal.getsignal`.

    `outermost` is the frame that set it up: what that one is imported by, if anything, loses nothing.
    """

    def __init__(self, outermost: FrameType) -> None:
        self.outermost = outermost
        self.postponed = self.ending = False
        self.came: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        again = self.came is not None
        # Schedulers repeat SIGTERM while they wait; people press Ctrl-C twice when they mean at once.
        at_once = again and number == signal.SIGINT
        if self.ending:
            if at_once:
                os._exit(EXIT_CODES[signal.SIGINT])
        elif _held_back(number) or (not self.postponed and self._would_be_lost(frame)):
            _send_soon(number)
            return
        self.came = self.came or number
        if not self.ending and (at_once or not self.postponed):
            raise Stopped(number)

    def _would_be_lost(self, frame: FrameType | None) -> bool:
        while frame not in (None, self.outermost) and frame.f_globals.get("__name__") not in LOSING:
            frame = frame.f_back
        return frame not in (None, self.outermost)

    def raised_in_vain(self, event: Any) -> bool:
        """Send a signal again whose `Stopped` was raised in a callback, such as a `__del__`, which cannot raise."""
        if not isinstance(event.exc_value, Stopped):
            return False
        self.came = None
        _send_soon(event.exc_value.number)
        return True


def _held_back(number: int) -> bool:
    """Is a signal held back in the main thread? The system gives it to any other thread, for which this one acts."""
    return number in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def _send_soon(number: int) -> None:
    def send() -> None:
        time.sleep(SECONDS_TO_WAIT)
        if isinstance(signal.getsignal(number), _Handler):  # the block that was to be stopped may have ended
            signal.pthread_kill(main, number)  # not to the process, of which another thread would take it

    main = threading.main_thread().ident or 0
    _thread.start_new_thread(send, ())  # `threading` takes locks, which the interrupted code may hold


@contextmanager
def stop_on_signals(until_exit: bool = False) -> Iterator[None]:
    """Let SIGINT and SIGTERM raise `Stopped` in the main thread; one that was ignored before stays ignored.

    Args:
        until_exit: the process ends after the block. Signals that come then are ignored, save a second Ctrl-C.
    """
    handler = _Handler(sys._getframe(2))  # of the `with`, above that of `contextlib`
    before = {number: signal.getsignal(number) for number in EXIT_CODES}
    changed = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    shown = sys.unraisablehook
    sys.unraisablehook = lambda event: None if handler.raised_in_vain(event) else shown(event)
    for number in changed:
        signal.signal(number, handler)
        if until_exit:
            # At its very end Python would give signals that are handled, but not ignored, back to the system.
            atexit.register(signal.signal, number, signal.SIG_IGN)
    try:
        yield
    finally:
        handler.ending = True
        if not until_exit:
            sys.unraisablehook = shown
            for number, old in changed.items():
                signal.signal(number, old)


@contextmanager
def postponed_stop() -> Iterator[Callable[[], int | None]]:
    """Note a signal instead of raising `Stopped`, which the end of the block does; a second Ctrl-C raises it at once.

    Yields a function that returns the number of the signal that came, or None.
    """
    handlers = (signal.getsignal(number) for number in EXIT_CODES)
    handler = next((one for one in handlers if isinstance(one, _Handler)), None)
    if handler is None:  # a library call, outside the command line: the caller's handlers stay
        yield lambda: None
        return
    handler.postponed = True
    try:
        yield lambda: handler.came
    finally:
        handler.postponed = False
    if handler.came is not None:
        raise Stopped(handler.came)


@contextmanager
def signals_end_at_once() -> Iterator[None]:
    """Let both signals end the process without a word, as without handlers.

    For waits in a library that may never return to Python, where nothing can be lost.
    """
    before = {number: signal.getsignal(number) for number in EXIT_CODES}
    changed = {number: old for number, old in before.items() if isinstance(old, _Handler)}
    for number in changed:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, old in changed.items():
            signal.signal(number, old)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold both signals back until the block ends, then restore Python's handlers, which the block may have replaced.

    For what must not be cut, and for imports: Paddle's replaces the handler of SIGTERM. Processes started in the block
    hold the signals back for good, so that they are their parent's to handle.
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
