"""Checks of outputs before a command starts its work, most of them types of command-line options."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ernie_paddle.errors import UserError


def output_file(text: str) -> Path:
    """Return the path of a file to write. It is an error if it cannot be written or is something else."""
    path = _path(text)
    with _argument_errors(path):
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "is a folder" if path.is_dir() else "is not a regular file")
        _check_writable(path.parent)
    return path


def output_folder(text: str) -> Path:
    """Return the path of a folder to write, which may exist. It is an error if it cannot be written or is a file."""
    path = _path(text)
    with _argument_errors(path):
        _check_writable(path)
    return path


def output_path(text: str) -> Path:
    """Return the path of a file or folder to write."""
    return output_folder(text) if os.path.isdir(text) else output_file(text)


def check_empty(folder: Path) -> None:
    """Raise a `UserError` if a folder holds anything. Commands that write a folder as a whole would replace it."""
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: is not empty; name a new folder, or remove this one")


def _path(text: str) -> Path:
    if not text:  # from an unset variable of a shell; as a path it would be the working directory
        raise argparse.ArgumentTypeError("an empty name; name what to write")
    return Path(text)


@contextmanager
def _argument_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path}: cannot be written: {error.strerror}; name another") from None


def _check_writable(folder: Path) -> None:
    """Create a temporary file in the folder or its nearest existing parent, since permissions alone do not tell."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(0, f"{folder} is a file, not a folder")
    with tempfile.TemporaryFile(dir=folder):
        pass
