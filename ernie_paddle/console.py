"""The console for tables, progress and warnings."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

FILE_WIDTH = 120
MAX_WIDTH = 10_000


def open_console(stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console as wide as the terminal, or 120 columns for other outputs. With `quiet` it prints nothing.

    Text is shown as it is: brackets, as in `[MASK]` or in names of files, are no markup.
    """
    width = None if (sys.stderr if stderr else sys.stdout).isatty() else FILE_WIDTH
    return Console(stderr=stderr, quiet=quiet, highlight=False, markup=False, width=width)


def print_warnings(console: Console, warnings: Iterable[str]) -> None:
    """Print a line per warning."""
    for warning in warnings:
        console.print(f"warning: {warning}", soft_wrap=True)


def print_table(console: Console, table: Table) -> None:
    """Print a table as wide as its contents, without cutting or wrapping cells on narrow terminals."""
    width = console.width
    console.width = max(width, Measurement.get(console, console.options.update(width=MAX_WIDTH), table).maximum)
    console.print(table)
    console.width = width
