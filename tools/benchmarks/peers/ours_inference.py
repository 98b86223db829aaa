"""Predictions of a model that this project exported.

usage: ours_inference.py FOLDER BATCHES THREADS paddle|onnx|int8 fp32|bf16
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import read_batches
from stepping import serve

from ernie_paddle.inference.backends import open_backend


def main() -> None:
    folder, batch_folder, threads, export, precision = sys.argv[1:]
    backend = open_backend(Path(folder) / export, False, precision, int(threads))  # type: ignore[arg-type]
    batches = [batch["ids"] for batch in read_batches(Path(batch_folder))]

    def step(number: int) -> int:
        ids = batches[number % len(batches)]
        backend.run({"input_ids": ids, "sentence_ids": np.zeros_like(ids)})
        return ids.size

    serve(step)


main()
