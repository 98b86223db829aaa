"""Vectors of texts by sentence-transformers, of the same encoder exported as BERT.

usage: sentence_transformers_encode.py FOLDER THREADS TEXTS_PER_STEP fp32|bf16
"""

import sys
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import serve_texts

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def main() -> None:
    folder, threads, count, precision = sys.argv[1:]
    torch.set_num_threads(int(threads))
    encoder = SentenceTransformer(str(Path(folder) / "bert"), device="cpu", model_kwargs={"dtype": DTYPES[precision]})
    serve_texts(Path(folder), int(count), encoder.encode)


main()
