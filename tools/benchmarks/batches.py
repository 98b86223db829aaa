"""The batches that all peers are measured on, one numpy file each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from stepping import serve

IGNORED = -100


def write_batch(folder: Path, number: int, rows: list[np.ndarray], labels: list[np.ndarray]) -> None:
    """Write a batch, padded to its longest sample: masked tokens, and labels that are -100 at other positions."""
    folder.mkdir(parents=True, exist_ok=True)
    lengths = np.array([len(row) for row in rows])
    arrays = {"ids": padded(rows, 0), "labels": padded(labels, IGNORED), "lengths": lengths}
    np.savez(folder / f"{number}.npz", **arrays)  # type: ignore[arg-type]


def read_batches(folder: Path) -> list[dict[str, np.ndarray]]:
    """Read all batches in order."""
    paths = sorted(folder.glob("*.npz"), key=lambda path: int(path.stem))
    return [dict(np.load(path)) for path in paths]


def text_steps(folder: Path, count: int) -> list[list[str]]:
    """Read the texts of a folder, cut into steps of `count` texts."""
    texts = (folder / "texts.txt").read_text(encoding="utf-8").split("\n")
    return [texts[begin : begin + count] for begin in range(0, len(texts), count)]


def serve_texts(folder: Path, count: int, encode: Callable[[list[str]], object]) -> None:
    """Answer steps (see `stepping.serve`) by encoding `count` texts of a folder in each."""
    steps = text_steps(folder, count)

    def step(number: int) -> int:
        texts = steps[number % len(steps)]
        encode(texts)
        return len(texts)

    serve(step)


def padded(rows: list[np.ndarray], filler: int) -> np.ndarray:
    """Return rows of different lengths as one padded int64 array."""
    longest = max(map(len, rows))
    return np.stack([np.pad(row.astype(np.int64), (0, longest - len(row)), constant_values=filler) for row in rows])
