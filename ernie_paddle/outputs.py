"""What a command will write, checked before its work is done: `type`s of command-line options."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def output_file(text: str) -> Path:
    """Return the path of a file to write; anything else there, or a folder that takes no files, is an error."""
    path = _named(text)
    with _refused(path):
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "is a folder" if path.is_dir() else "is no regular file")
        _try_writing_to(path.parent)
    return path


def output_folder(text: str) -> Path:
    """Return the path of a folder to write, new or old; a file in its place or above it is an error."""
    path = _named(text)
    with _refused(path):
        _try_writing_to(path)
    return path


def output_path(text: str) -> Path:
    """Return the path of a file or folder to write."""
    return output_folder(text) if os.path.isdir(text) else output_file(text)


def _named(text: str) -> Path:
    if not text:  # of a variable that is not set; as a path it would be the working folder
        raise argparse.ArgumentTypeError("an empty name; name what to write")
    return Path(text)


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path}: cannot be written: {error.strerror}; name another") from None


def _try_writing_to(folder: Path) -> None:
    """Write a nameless file to the folder, or to the one in which it will be made: permissions alone do not tell."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(0, f"{folder} is a file, not a folder")
    with tempfile.TemporaryFile(dir=folder):
        pass
