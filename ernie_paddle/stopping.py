"""Ctrl-C and SIGTERM. Both ask a command to stop; it ends with one line that says how to resume.

Inside `stop_on_signals` a signal raises `Stopped` at the current line. Inside `postponed_stop` it is only recorded, so
that work which must not be interrupted can finish.
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

from ernie_paddle.errors import RETRY

# Modules whose callers may swallow exceptions: imported libraries, and Paddle's operators, which look up their source
# lines with `traceback`.
SWALLOWING_MODULES = frozenset({"importlib._bootstrap", "traceback"})
RESEND_SECONDS = 0.01  # until a signal is sent again that could not be handled
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: RETRY}
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(BaseException):
    """The process was asked to stop. `advice` says how to resume, if that is known."""

    def __init__(self, number: int, advice: str = ""):
        super().__init__(number, advice)
        self.number, self.advice = number, advice
        self.name, self.exit_code = NAMES[signal.Signals(number)], EXIT_CODES[signal.Signals(number)]


def stop_behind(error: BaseException | None) -> Stopped | None:
    """Return the `Stopped` that a library, such as Paddle, turned into another error; None if it is another error."""
    while error is not None and not isinstance(error, Stopped):
        error = error.__cause__ or error.__context__
    return error


class _Handler:
    """The handler of both signals; `signal.getsignal` finds it again.

    `outermost` is the frame that installed it. Callers of that frame do not count as swallowing exceptions.
    """

    def __init__(self, outermost: FrameType) -> None:
        self.outermost = outermost
        self.postponed = self.ending = False
        self.received: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # Schedulers repeat SIGTERM while they wait; a second Ctrl-C means that the user does not want to wait.
        immediately = self.received is not None and number == signal.SIGINT
        if self.ending:
            if immediately:
                os._exit(EXIT_CODES[signal.SIGINT])
        elif _held_back(number) or (not self.postponed and self._would_be_swallowed(frame)):
            _send_again(number)
            return
        self.received = self.received or number
        if not self.ending and (immediately or not self.postponed):
            raise Stopped(number)

    def _would_be_swallowed(self, frame: FrameType | None) -> bool:
        while frame not in (None, self.outermost) and frame.f_globals.get("__name__") not in SWALLOWING_MODULES:
            frame = frame.f_back
        return frame not in (None, self.outermost)

    def handle_unraisable(self, event: Any) -> bool:
        """Send a signal again if its `Stopped` was raised in a callback that cannot raise, such as a `__del__`."""
        if not isinstance(event.exc_value, Stopped):
            return False
        self.received = None
        _send_again(event.exc_value.number)
        return True


def _held_back(number: int) -> bool:
    """Return whether the main thread holds a signal back. Another thread may receive it; the main thread handles it."""
    return number in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def _send_again(number: int) -> None:
    def send() -> None:
        time.sleep(RESEND_SECONDS)
        if isinstance(signal.getsignal(number), _Handler):  # `stop_on_signals` may have ended
            signal.pthread_kill(main, number)  # to the main thread, since any thread may receive those to the process

    main = threading.main_thread().ident or 0
    _thread.start_new_thread(send, ())  # `threading` needs locks that the interrupted code may hold


@contextmanager
def stop_on_signals(until_exit: bool = False) -> Iterator[None]:
    """Let SIGINT and SIGTERM raise `Stopped` in the main thread. A signal that was ignored before stays ignored.

    Args:
        until_exit: whether the process ends after the block; later signals are then ignored, except a second Ctrl-C.
    """
    handler = _Handler(sys._getframe(2))  # the frame of the `with`, above that of `contextlib`
    before = {number: signal.getsignal(number) for number in EXIT_CODES}
    changed = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    previous_hook = sys.unraisablehook
    sys.unraisablehook = lambda event: None if handler.handle_unraisable(event) else previous_hook(event)
    for number in changed:
        signal.signal(number, handler)
        if until_exit:
            # At exit Python restores the default of signals with a handler, but not of ignored ones.
            atexit.register(signal.signal, number, signal.SIG_IGN)
    try:
        yield
    finally:
        handler.ending = True
        if not until_exit:
            sys.unraisablehook = previous_hook
            for number, old in changed.items():
                signal.signal(number, old)


@contextmanager
def postponed_stop() -> Iterator[Callable[[], int | None]]:
    """Record a signal, and raise `Stopped` at the end of the block. A second Ctrl-C raises it immediately.

    Yields a function that returns the number of the recorded signal, or None.
    """
    handlers = (signal.getsignal(number) for number in EXIT_CODES)
    handler = next((handler for handler in handlers if isinstance(handler, _Handler)), None)
    if handler is None:  # used as a library: the caller's handlers stay
        yield lambda: None
        return
    handler.postponed = True
    try:
        yield lambda: handler.received
    finally:
        handler.postponed = False
    if handler.received is not None:
        raise Stopped(handler.received)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold both signals back until the block ends, then reinstall Python's handlers, which the block may have replaced.

    This is for work that must not be interrupted, and for imports: Paddle's replaces the handler of SIGTERM. Processes
    that are started in the block hold the signals back until they end, which leaves the handling to their parent.
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
