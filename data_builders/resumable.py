"""Folders that are filled step by step: an interrupted run resumes if its settings have not changed.

Damaged files are made again.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ernie_paddle.checksums import read_sealed, write_sealed
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_rename

Content = TypeVar("Content")

ORIGIN = "origin.json"


@contextmanager
def resumable_folder(path: Path, origin: dict[str, Any]) -> Iterator[Path]:
    """Yield a partial folder beside `path`; it is renamed to `path` when the block ends without an error.

    A partial folder of an interrupted run is reused if its `origin` is the same and emptied otherwise. After a
    `UserError`, which a second run would raise again, the partial folder is removed.
    """
    partial = path.with_name(f".{path.name}.partial")
    if unless_damaged(read_record, partial / ORIGIN) != origin:
        shutil.rmtree(partial, ignore_errors=True)
        write_sealed(partial / ORIGIN, origin)
    try:
        yield partial
    except UserError:
        shutil.rmtree(partial)
        raise
    (partial / ORIGIN).unlink()
    atomic_rename(partial, path)


def unless_damaged(read: Callable[..., Content | None], *arguments: Any) -> Content | None:
    """Return the result of `read`; print a warning and return None if it raises a `UserError` because of damage."""
    try:
        return read(*arguments)
    except UserError as error:
        print_warnings(open_console(stderr=True), [f"{error}; made again"])
        return None


def read_record(path: Path) -> dict[str, Any] | None:
    """Read the record of an earlier run; return None if there is none.

    Raises:
        UserError: the file is damaged.
    """
    return read_sealed(path, "record of earlier work") if path.exists() else None
