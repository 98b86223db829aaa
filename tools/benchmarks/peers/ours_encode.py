"""Vectors of texts by this project's encoder.

usage: ours_encode.py FOLDER THREADS TEXTS_PER_STEP MODEL fp32|bf16
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import serve_texts

from ernie_paddle.inference.encoder import Encoder


def main() -> None:
    folder, threads, count, model, precision = sys.argv[1:]
    encoder = Encoder.load(Path(folder) / model, precision=precision, on_gpu=False, threads=int(threads))  # type: ignore[arg-type]
    serve_texts(Path(folder), int(count), encoder.encode)


main()
