"""Numbers and input files of command lines: `type`s of options, which say what they accept."""

import argparse
from pathlib import Path

MOST_SEED = 2**32 - 1


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not (text.isascii() and text.isdigit()) or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}', expected a whole number of at least 1")
    return int(text)


def seed(text: str) -> int:
    """Return a whole number that any generator takes for its seed: 32 bits, none negative."""
    if not (text.isascii() and text.isdigit()) or int(text) > MOST_SEED:
        raise argparse.ArgumentTypeError(f"'{text}', expected a whole number from 0 to {MOST_SEED}")
    return int(text)


def share(text: str) -> float:
    """Return a number between 0 and 1, both excluded."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"'{text}', expected a number between 0 and 1")
    return value


def input_file(text: str) -> Path:
    """Return the path of a file that is there."""
    path = Path(text)
    if text == "-":
        raise argparse.ArgumentTypeError("standard input is not read; name a file")
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{path}: " + ("a folder, name a file" if path.is_dir() else "not found"))
    return path
