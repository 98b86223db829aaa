"""Latency of exported models beside PyTorch and onnxruntime, and vectors of texts beside sentence-transformers.

All programs take turns, batch by batch. Run by tools/benchmark.sh.
"""

import argparse
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from batches import write_batch
from comparing import CONSOLE, OUT, ROOT, Contender, Spread, can_bf16, measure
from rich.table import Table
from stepping import Step

from data_builders.demo import reviews
from data_builders.readers.text import TextReader
from data_builders.vocabulary import train_vocabulary
from ernie_paddle.files import write_json
from ernie_paddle.finetuning_task import KeptSignature
from ernie_paddle.inference.export import export
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import CONFIG_FILE, ErnieConfig
from ernie_paddle.model.saved import Model, save_model
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.session import Session
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import Vocabulary

LENGTH, LABELS = 128, ("no", "yes")
SAMPLES = (1, 8)
TEXTS_PER_STEP = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", choices=["inference"])
    parser.add_argument("--peers", required=True, help="Python of the environment with PyTorch and onnxruntime")
    parser.add_argument("--config", type=Path, default=ROOT / "configs/models/ernie_2.0_base_zh.json")
    parser.add_argument("--rounds", type=int, default=9, help="of the exports")
    parser.add_argument(
        "--texts", type=int, default=2000, help=f"reviews that become vectors, {TEXTS_PER_STEP} a round"
    )
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: the time that each process has a CPU, for busy machines; use it with OMP_NUM_THREADS=1",
    )
    args = parser.parse_args()
    threads = os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))  # of each peer
    folder, measured = OUT / "inference", f"threads: {threads}, {args.clock} time"
    shutil.rmtree(folder, ignore_errors=True)
    config = ErnieConfig.load(args.config).model_copy(update={"hidden_act": "gelu"})  # as the peers' models
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # whose end frees the models' memory
        pool.submit(export_models, folder, config, args.texts).result()
    result: dict[str, Any] = {}
    for samples in SAMPLES:
        batches = random_batches(folder / f"{samples}_samples", samples)
        steps = measure(contenders(args.peers, folder, batches, threads), args.rounds)
        result[f"{samples} x {LENGTH} tokens"] = report(f"{samples} x {LENGTH} tokens, {measured}", steps, args.clock)
    steps = measure(encoders(args.peers, folder, threads), args.texts // TEXTS_PER_STEP, warm_up=1)
    result["texts"] = report(f"{TEXTS_PER_STEP} texts of varying length, {measured}", steps, args.clock)
    write_json(OUT / "inference.json", result)
    CONSOLE.print(f"{OUT / 'inference.json'}: written")


def contenders(peers: str, folder: Path, batches: Path, threads: str) -> list[Contender]:
    """Return ours and the peers in each precision; the name tells the library and the precision."""

    def contender(name: str, python: str, script: str, *arguments: str) -> Contender:
        return Contender(name, python, script, (folder, batches, threads, *arguments))

    found = [
        contender("ours, ONNX fp32", sys.executable, "ours_inference", "onnx", "fp32"),
        contender("ours, Paddle fp32", sys.executable, "ours_inference", "paddle", "fp32"),
        contender("ours, ONNX int8", sys.executable, "ours_inference", "int8", "fp32"),
        contender("PyTorch fp32", peers, "torch_inference", "fp32", "eager"),
        contender("torch.compile fp32", peers, "torch_inference", "fp32", "compile"),
        contender("onnxruntime fp32", peers, "onnxruntime_inference", "fp32"),
        contender("onnxruntime int8", peers, "onnxruntime_inference", "int8"),
    ]
    if can_bf16():
        found += [
            contender("ours, Paddle bf16", sys.executable, "ours_inference", "paddle", "bf16"),
            contender("PyTorch bf16", peers, "torch_inference", "bf16", "eager"),
            contender("torch.compile bf16", peers, "torch_inference", "bf16", "compile"),
        ]
    return found


def encoders(peers: str, folder: Path, threads: str) -> list[Contender]:
    """Return our encoder and sentence-transformers in each precision."""

    def ours(name: str, model: str, precision: str) -> Contender:
        return Contender(
            f"ours, {name}", sys.executable, "ours_encode", (folder, threads, TEXTS_PER_STEP, model, precision)
        )

    def sentence_transformers(precision: str) -> Contender:
        arguments = (folder, threads, TEXTS_PER_STEP, precision)
        return Contender(f"sentence-transformers {precision}", peers, "sentence_transformers_encode", arguments)

    found = [
        ours("ONNX fp32", "encoder", "fp32"),
        ours("ONNX int8", "encoder_int8", "fp32"),
        sentence_transformers("fp32"),
    ]
    if can_bf16():
        found += [ours("Paddle bf16", "encoder", "bf16"), sentence_transformers("bf16")]
    return found


def report(title: str, steps: dict[str, list[Step]], clock: str) -> dict[str, Any]:
    """Print and return the milliseconds of each contender, and the ratios of ours to the others in each round."""
    milliseconds = {
        name: [1e3 * (step.cpu_seconds if clock == "cpu" else step.seconds) for step in contender_steps]
        for name, contender_steps in steps.items()
    }
    ours = [name for name in milliseconds if name.startswith("ours")]
    table = Table("", "ms", *(f"{name}, ratio to it" for name in ours), title=title)
    result: dict[str, Any] = {}
    for name, values in milliseconds.items():
        ratios = {
            own: Spread.of([a / b for a, b in zip(milliseconds[own], values, strict=True)])
            for own in ours
            if own != name
        }
        spread = Spread.of(values)
        table.add_row(name, f"{spread.median:.0f} ({spread.smallest:.0f})", *(str(ratios.get(own, "")) for own in ours))
        ratio_records = {own: asdict(ratio) for own, ratio in ratios.items()}
        result[name] = {"milliseconds": asdict(spread), "ratios": ratio_records}
    CONSOLE.print(table)
    return result


def export_models(folder: Path, config: ErnieConfig, texts: int) -> None:
    """Write a classifier with random weights and its encoder, their exports, and texts.

    `paddle/`, `onnx/` and `int8/` are exports of the classifier, `encoder_int8/` and `bert/` of the encoder.
    """
    folder.mkdir(parents=True)
    config.save(folder / CONFIG_FILE)
    reviews.write(folder / "reviews")
    rows = (folder / "reviews" / "train.tsv").read_text("utf-8").split("\n")[1:]
    (folder / "texts.txt").write_text("\n".join(row.split("\t")[0] for row in rows[:texts]), encoding="utf-8")
    vocabulary = train_vocabulary([(TextReader(), folder / "reviews" / "train.txt")], 8000)
    registry = load_plugins()
    signature = KeptSignature(task="classification", labels=LABELS, max_length=LENGTH, data={})
    objective = registry.finetuning_tasks.get(signature.task).objective(signature)
    session = Session(config, 1, AdamSettings(), Cpu())
    session.parameter_shapes([Task(signature.task, 0, objective)])
    parameters = {name: np.array(value) for name, value in session.parameters().items()}
    save(folder / "model", Model(config, vocabulary, parameters, signature))
    encoder = {name: value for name, value in parameters.items() if not name.startswith("cls_out")}
    save(folder / "encoder", Model(config, vocabulary, encoder))
    export(folder / "model", folder / "paddle", registry)
    export(folder / "model", folder / "onnx", registry, "onnx")
    export(folder / "model", folder / "int8", registry, "onnx", "int8")
    export(folder / "encoder", folder / "encoder_int8", registry, "onnx", "int8")
    export(folder / "encoder", folder / "bert", registry, "bert")


def save(folder: Path, model: Model) -> None:
    folder.mkdir()
    save_model(folder, model)


def random_batches(folder: Path, samples: int) -> Path:
    """Write a few batches of random tokens, all samples of the same length."""
    vocabulary = Vocabulary.load(folder.parent / "model" / "vocab.txt")
    for number in range(4):
        ids = generator("benchmark", "inference", samples, number).choice(vocabulary.ordinary_ids, (samples, LENGTH))
        write_batch(folder, number, list(ids), list(ids))
    return folder


if __name__ == "__main__":
    main()
