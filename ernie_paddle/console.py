"""Where tables and progress go."""

import sys
from collections.abc import Iterable

from rich.console import Console

WIDTH_OF_FILES = 120


def open_console(stderr: bool = False, quiet: bool = False) -> Console:
    """A console as wide as the terminal, or 120 columns where the output is no terminal; a quiet one says nothing."""
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, quiet=quiet, highlight=False, width=None if is_terminal else WIDTH_OF_FILES)


def print_warnings(console: Console, warnings: Iterable[str]) -> None:
    """Print a line each."""
    for warning in warnings:
        console.print(f"warning: {warning}", soft_wrap=True)
