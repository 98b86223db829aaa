"""Where tables and progress go."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

WIDTH_OF_FILES = 120
WIDEST = 10_000


def open_console(stderr: bool = False, quiet: bool = False) -> Console:
    """A console as wide as the terminal, or 120 columns where the output is no terminal; a quiet one says nothing."""
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, quiet=quiet, highlight=False, width=None if is_terminal else WIDTH_OF_FILES)


def print_warnings(console: Console, warnings: Iterable[str]) -> None:
    """Print a line each."""
    for warning in warnings:
        console.print(f"warning: {warning}", soft_wrap=True)


def print_whole(console: Console, table: Table) -> None:
    """Print a table as wide as its contents, so that no cell is cut or wrapped, however narrow the terminal is."""
    width = console.width
    console.width = max(width, Measurement.get(console, console.options.update(width=WIDEST), table).maximum)
    console.print(table)
    console.width = width
