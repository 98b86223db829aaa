"""A folder filled bit by bit: what an interruption leaves is taken up by the next try with the same settings.

What is damaged is made again.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ernie_paddle.checksums import read_sealed, write_sealed
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.errors import UserError
from ernie_paddle.files import renamed_whole

Found = TypeVar("Found")

ORIGIN = "origin.json"


@contextmanager
def resumable_folder(path: Path, origin: dict[str, Any]) -> Iterator[Path]:
    """Fill a folder beside `path`; it takes the name `path` when the block ends without error.

    A folder that an earlier try with the same `origin` has left is handed out as it is, one with another origin is
    emptied first. After a `UserError`, which would come again, nothing is left.
    """
    beside = path.with_name(f".{path.name}.partial")
    if unless_damaged(read_record, beside / ORIGIN) != origin:
        shutil.rmtree(beside, ignore_errors=True)
        write_sealed(beside / ORIGIN, origin)
    try:
        yield beside
    except UserError:
        shutil.rmtree(beside)
        raise
    (beside / ORIGIN).unlink()
    renamed_whole(beside, path)


def unless_damaged(read: Callable[..., Found | None], *arguments: Any) -> Found | None:
    """Return what `read` finds of earlier work; None, after a warning, if it raises a `UserError` for damage."""
    try:
        return read(*arguments)
    except UserError as error:
        print_warnings(open_console(stderr=True), [f"{error}; made again"])
        return None


def read_record(path: Path) -> dict[str, Any] | None:
    """Read what an earlier try noted, None if it did not.

    Raises:
        UserError: the file is damaged.
    """
    return read_sealed(path, "record of earlier work") if path.exists() else None
