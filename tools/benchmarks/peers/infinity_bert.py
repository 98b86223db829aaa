"""Vectors of texts by exported BERTs in infinity-emb.

usage: infinity_bert.py FOLDER

For every NAME with an encoder, FOLDER/NAME/ has the export `bert/`, `texts.txt`, and gets `infinity.npz`.
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
from infinity_emb import AsyncEmbeddingEngine, EngineArgs


async def vectors(path: Path, texts: list[str]) -> np.ndarray:
    settings = EngineArgs(model_name_or_path=str(path), engine="torch", device="cpu", bettertransformer=False)
    engine = AsyncEmbeddingEngine.from_args(settings)
    async with engine:
        embeddings, _ = await engine.embed(sentences=texts)
    return np.stack(embeddings)


def main() -> None:
    for path in sorted(Path(sys.argv[1]).glob("*/bert")):
        if (path / "modules.json").exists():
            texts = (path.parent / "texts.txt").read_text(encoding="utf-8").split("\n")
            np.savez(path.parent / "infinity.npz", texts=asyncio.run(vectors(path, texts)))


main()
