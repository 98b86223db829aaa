"""A folder filled bit by bit: what an interruption leaves is taken up by the next try with the same settings."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, renamed_whole, write_json

ORIGIN = "origin.json"


@contextmanager
def resumable_folder(path: Path, origin: dict[str, Any]) -> Iterator[Path]:
    """Fill a folder beside `path`; it takes the name `path` when the block ends without error.

    A folder that an earlier try with the same `origin` has left is handed out as it is, one with another origin is
    emptied first. After a `UserError`, which would come again, nothing is left.
    """
    beside = path.with_name(f".{path.name}.partial")
    if not (beside / ORIGIN).exists() or read_json(beside / ORIGIN, "origin of an unfinished folder") != origin:
        shutil.rmtree(beside, ignore_errors=True)
        write_json(beside / ORIGIN, origin)
    try:
        yield beside
    except UserError:
        shutil.rmtree(beside)
        raise
    (beside / ORIGIN).unlink()
    renamed_whole(beside, path)
