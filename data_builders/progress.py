"""Progress of long work: bars with speed and time left on a terminal, a line every 30 seconds in a log file."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ernie_paddle.console import open_console

SECONDS_BETWEEN_LINES = 30


class Bars(AbstractContextManager["Bars"]):
    """Progress bars over bytes of raw text, on stderr."""

    def __init__(self) -> None:
        self._console = open_console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
        shown = self._console.is_terminal
        self._progress = Progress(*columns, TimeRemainingColumn(), console=self._console, disable=not shown)

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def bar(self, title: str, total: float) -> Callable[[float], None]:
        """Add a bar over `total` bytes; return a function that sets it to the number of bytes done."""
        bar = self._progress.add_task(title, total=total)
        clock = _Clock(time.monotonic(), time.monotonic())

        def show(done: float) -> None:
            speed = done / max(clock.elapsed(), 1e-9)
            shown = f"{decimal(round(speed), precision=2)}/s"
            self._progress.update(bar, completed=done, description=f"{title}  {shown}")
            if not self._console.is_terminal and done < total and clock.due():
                left = time.strftime("%H:%M:%S", time.gmtime((total - done) / max(speed, 1e-9)))
                self._console.print(f"{title}: {done / total:.0%}, {shown}, {left} left")

        return show


@dataclass
class _Clock:
    """The times at which a bar was added and at which its last line was printed."""

    start: float
    line: float

    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def due(self) -> bool:
        if time.monotonic() - self.line < SECONDS_BETWEEN_LINES:
            return False
        self.line = time.monotonic()
        return True
