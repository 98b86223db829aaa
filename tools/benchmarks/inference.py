"""Predictions of an export compared with PyTorch and onnxruntime, in turns by batch. Run by tools/benchmark.sh."""

import argparse
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from batches import write_batch
from comparing import CONSOLE, OUT, ROOT, can_bf16, compare

from ernie_paddle.files import write_json
from ernie_paddle.finetuning_task import KeptSignature
from ernie_paddle.inference.export import export
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import CONFIG_FILE, ErnieConfig
from ernie_paddle.model.saved import Model, save_model
from ernie_paddle.programs.session import Session
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary

LENGTH, LABELS = 128, ("no", "yes")
SAMPLES = (8, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", choices=["inference"])
    parser.add_argument("--peers", required=True, help="Python of the environment with PyTorch and onnxruntime")
    parser.add_argument("--config", type=Path, default=ROOT / "configs/models/ernie_2.0_base_zh.json")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    threads = os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))  # of each peer
    folder = OUT / "inference"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = ErnieConfig.load(args.config).model_copy(update={"hidden_act": "gelu"})  # as the peers' models
    config.save(folder / CONFIG_FILE)
    export_model(folder, config)
    ours, torch = (sys.executable, "ours_inference"), (args.peers, "torch_inference")
    onnxruntime = (args.peers, "onnxruntime_inference")
    peers = {"fp32": [ours, torch, onnxruntime]} | ({"bf16": [ours, torch]} if can_bf16() else {})
    result = {}
    for samples in SAMPLES:
        batches = random_batches(folder / f"{samples}_samples", samples, config.vocab_size)
        for precision, compared in peers.items():
            title = f"{precision}, {samples} x {LENGTH} tokens, threads: {threads}"
            result[title] = compare(title, compared, (folder, batches, threads, precision), args.rounds)
    write_json(OUT / "inference.json", result)
    CONSOLE.print(f"{OUT / 'inference.json'}: written")


def export_model(folder: Path, config: ErnieConfig) -> None:
    """Write `<folder>/export`, a classifier with random weights, as `ernie-paddle export` does."""
    model, registry = folder / "model", load_plugins()
    signature = KeptSignature(task="classification", labels=LABELS, max_length=LENGTH, data={})
    objective = registry.finetuning_tasks.get(signature.task).objective(signature)
    session = Session(config, 1, AdamSettings())
    session.parameter_shapes([Task(signature.task, 0, objective)])
    words = [*SPECIAL_TOKENS, *(f"w{i}" for i in range(config.vocab_size - len(SPECIAL_TOKENS)))]
    parameters = {name: np.array(value) for name, value in session.parameters().items()}
    vocabulary = Vocabulary({word: i for i, word in enumerate(words)})
    model.mkdir()
    save_model(model, Model(config, vocabulary, parameters, signature))
    export(model, folder / "export", registry)


def random_batches(folder: Path, samples: int, vocabulary_size: int) -> Path:
    """Write a few batches of random tokens, all samples of the same length."""
    for number in range(4):
        ids = generator("benchmark", "inference", samples, number).integers(5, vocabulary_size, (samples, LENGTH))
        write_batch(folder, number, list(ids), list(ids))
    return folder


if __name__ == "__main__":
    main()
