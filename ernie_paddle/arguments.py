"""Options that several commands share, and argparse `type`s whose errors say what they accept."""

import argparse
from pathlib import Path
from typing import Literal

RUNS = (
    "a fine-tuning run stands for its best model, a pre-training run for its newest complete checkpoint, and the "
    "latter's file 'best' for its best one"
)
STANDARD_INPUT = Path("/dev/stdin")
MOST_SEED, MOST_PORT = 2**32 - 1, 2**16 - 1
Resume = Literal["no", "yes", "auto"]


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not (text.isascii() and text.isdigit()) or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}', expected a whole number of at least 1")
    return int(text)


def seed(text: str) -> int:
    """Parse a seed: a whole number from 0 to 2^32 - 1, which every generator accepts."""
    return _up_to(MOST_SEED, text)


def port(text: str) -> int:
    """Parse a TCP port; 0 stands for a free one."""
    return _up_to(MOST_PORT, text)


def milliseconds(text: str) -> int:
    """Parse a whole number of milliseconds, up to a minute."""
    return _up_to(60_000, text)


def _up_to(most: int, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise argparse.ArgumentTypeError(f"'{text}', expected a whole number from 0 to {most}")
    return int(text)


def share(text: str) -> float:
    """Parse a number between 0 and 1, both excluded."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"'{text}', expected a number between 0 and 1")
    return value


def input_file(text: str) -> Path:
    """Parse the path of an existing file."""
    path = Path(text)
    if text == "-":
        raise argparse.ArgumentTypeError("standard input is not supported; name a file")
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{path}: " + ("is a folder; name a file" if path.is_dir() else "not found"))
    return path


def input_stream(text: str) -> Path:
    """Parse the path of a file or pipe to read once; `-` is standard input."""
    path = STANDARD_INPUT if text == "-" else Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path}: is a folder; name a file")
    if not path.exists():
        raise argparse.ArgumentTypeError(
            f"{path}: not found; texts that are not in a file go to standard input, --input -"
        )
    return path


def input_name(path: Path) -> str:
    """Return what messages call an input."""
    return "standard input" if path == STANDARD_INPUT else str(path)


def add_resume(parser: argparse._ActionsContainer) -> None:
    """Add the option `--resume [auto]`, a `Resume`."""
    parser.add_argument(
        "--resume",
        nargs="?",
        const="yes",
        default="no",
        choices=("yes", "auto"),
        help="resume from the newest complete checkpoint in --out; with 'auto', start a new run if there is none",
    )


def add_continue_from(parser: argparse.ArgumentParser) -> None:
    """Add the option `--continue-from RUN`."""
    parser.add_argument(
        "--continue-from",
        type=Path,
        metavar="RUN",
        help="pre-training run that the plan continues with more stages, from its newest complete checkpoint; "
        "or one of its checkpoints, such as RUN/step_1000 or RUN/best",
    )
