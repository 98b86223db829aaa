"""Vectors of texts by this project's encoder.

usage: ours_encode.py FOLDER THREADS TEXTS_PER_STEP
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import text_steps
from stepping import serve

from ernie_paddle.inference.encoder import Encoder


def main() -> None:
    folder, threads, count = sys.argv[1:]
    encoder = Encoder.load(Path(folder) / "encoder", on_gpu=False, threads=int(threads))
    steps = text_steps(Path(folder), int(count))

    def step(number: int) -> int:
        texts = steps[number % len(steps)]
        encoder.encode(texts)
        return len(texts)

    serve(step)


main()
