"""A lock on a folder that a command fills."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.files import remove

LEFT_OVER = re.compile(r"\..*\.\d+\.partial")  # what `files.py` calls a file or folder while it is written


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes that lock it out; clear it of what a killed process was writing.

    Raises:
        UserError: another process is at work in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another process is at work here; wait for it or name another --out") from None
        for path in list(folder.rglob(".*.partial")):
            if LEFT_OVER.fullmatch(path.name):
                remove(path)
        yield
    finally:
        os.close(lock)
