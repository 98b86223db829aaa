"""Vectors of texts by sentence-transformers, of the same encoder exported as BERT.

usage: sentence_transformers_encode.py FOLDER THREADS TEXTS_PER_STEP
"""

import sys
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import text_steps
from stepping import serve


def main() -> None:
    folder, threads, count = sys.argv[1:]
    torch.set_num_threads(int(threads))
    encoder = SentenceTransformer(str(Path(folder) / "bert"), device="cpu")
    steps = text_steps(Path(folder), int(count))

    def step(number: int) -> int:
        texts = steps[number % len(steps)]
        encoder.encode(texts)
        return len(texts)

    serve(step)


main()
