"""Predictions of a model that this project exported.

usage: ours_inference.py FOLDER BATCHES THREADS fp32|bf16
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import read_batches
from stepping import serve

from ernie_paddle.inference.backends import open_backend


def main() -> None:
    folder, batch_folder, _, precision = sys.argv[1:]  # OMP_NUM_THREADS sets the number of threads
    backend = open_backend(Path(folder) / "export", on_gpu=False, precision=precision)  # type: ignore[arg-type]
    batches = [batch["ids"] for batch in read_batches(Path(batch_folder))]

    def step(number: int) -> int:
        ids = batches[number % len(batches)]
        backend.run({"input_ids": ids, "sentence_ids": np.zeros_like(ids)})
        return ids.size

    serve(step)


main()
