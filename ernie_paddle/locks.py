"""Locks on folders that commands fill."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.files import remove_partial_files

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Create and lock a folder, and remove the partial files that killed processes left in it.

    Raises:
        UserError: another process has locked it, or its file system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another process is at work here; wait for it or choose another --out") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise OSError(error.errno, error.strerror, str(folder)) from None
            raise UserError(
                f"{folder}: this file system has no locks ({error.strerror}), so two runs could write here at once; "
                "mount it with flock, or choose an --out elsewhere"
            ) from None
        remove_partial_files(folder)
        yield
    finally:
        os.close(lock)
