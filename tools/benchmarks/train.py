"""Training compared with Hugging Face's BERT and paddlenlp's ERNIE, in turns by step. Run by tools/benchmark.sh."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from batches import IGNORED, read_batches, write_batch
from comparing import CONSOLE, OUT, ROOT, can_bf16, compare

from data_builders.build import build
from data_builders.corpora_config import BuildSettings
from data_builders.demo import peoples_daily
from data_builders.readers.text import TitledTextReader
from data_builders.vocabulary import train_vocabulary
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.schema import IGNORED as UNLABELLED
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.files import write_json
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.stage_plan import PlannedStep, StagePlan
from ernie_paddle.training.steps import StepPreparer, TaskData
from ernie_paddle.training.trainer import Trainer

SAMPLES, LENGTH, MASKED = 8, 128, 20
RANDOM_ORDER_SAMPLES, BATCHES = 16, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", choices=["train"])
    parser.add_argument("--peers", required=True, help="Python of the environment with PyTorch and transformers")
    parser.add_argument("--config", type=Path, default=ROOT / "configs/models/ernie_2.0_base_zh.json")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    config = OUT / "model.json"  # gelu, as the peers' models
    config.parent.mkdir(parents=True, exist_ok=True)
    ErnieConfig.load(args.config).model_copy(update={"hidden_act": "gelu", "use_task_id": False}).save(config)
    fixed, samples = fixed_batches(config), sample_batches()
    result = {**memory(), "profile": profile(config), **collating(), **accumulation(config)}
    ours = (sys.executable, "ours")
    huggingface = (args.peers, "huggingface")
    result["fixed"] = compare(
        f"fp32, {SAMPLES} samples of {LENGTH} tokens, {MASKED} masked in each",
        [ours, huggingface, (sys.executable, "paddlenlp_ernie")],
        (fixed, config, "fp32"),
        args.rounds,
    )
    if can_bf16():
        result["bf16"] = compare("the same in bf16", [ours, huggingface], (fixed, config, "bf16"), args.rounds)
    result["samples"] = compare(
        "fp32, samples of the People's Daily: grouped by length against random order with dynamic padding",
        [ours, huggingface],
        (samples, config, "fp32"),
        args.rounds,
    )
    result["finetuning"] = compare(
        "fp32, fine-tuning (classification) against pre-training on the same tokens",
        [(sys.executable, "ours_finetuning"), ours],
        (fixed, config, "fp32"),
        args.rounds,
    )
    write_json(OUT / "train.json", result)
    CONSOLE.print(f"{OUT / 'train.json'}: written")


def fixed_batches(config: Path) -> Path:
    """Write a few batches of random tokens, all samples of the same length."""
    folder, size = OUT / "fixed", ErnieConfig.load(config).vocab_size
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(4):
        random = generator("benchmark", "fixed", number)
        ids = random.integers(5, size, (SAMPLES, LENGTH))
        labels = np.full_like(ids, IGNORED)
        for row in range(SAMPLES):
            masked = random.choice(LENGTH, MASKED, replace=False)
            labels[row, masked] = ids[row, masked]
        write_batch(folder, number, list(ids), list(labels))
    return folder


def sample_batches() -> Path:
    """Write batches of masked samples in random order."""
    folder, table, vocabulary = OUT / "samples", *shards()
    shutil.rmtree(folder, ignore_errors=True)
    masking = load_plugins().pretraining_tasks.get("knowledge_masking").objective
    order = generator("benchmark", "samples").permutation(len(table))
    for number in range(BATCHES):
        rows = order[number * RANDOM_ORDER_SAMPLES : (number + 1) * RANDOM_ORDER_SAMPLES]
        batch = Batch.of(table.take(rows), rows)
        ids = batch.columns["input_ids"]
        masked = masking.label(batch, vocabulary, 1)
        tokens = masked.selected[masked.classes != UNLABELLED]
        labels = np.full(batch.tokens, IGNORED)
        labels[tokens] = ids[tokens]
        starts = batch.first_tokens[1:]
        write_batch(folder, number, np.split(batch.columns["input_ids"], starts), np.split(labels, starts))
    lengths = np.concatenate([batch["lengths"] for batch in read_batches(folder)])
    shown = ", ".join(f"{share}: {np.quantile(lengths, share):.0f}" for share in (0.1, 0.5, 0.9))
    CONSOLE.print(f"lengths of the People's Daily's samples, quantiles {shown}")
    return folder


def shards() -> tuple[SampleTable, Vocabulary]:
    """Return the samples of knowledge masking from a month of the People's Daily, built once, and their vocabulary."""
    month, folder, vocab = OUT / "peoples_daily" / "articles.txt", OUT / "masking", OUT / "vocab.txt"
    if not month.exists():
        peoples_daily.write(month.parent)
    if not vocab.exists():
        train_vocabulary([(TitledTextReader(), month)], 8000).save(vocab)
    if not folder.exists():
        tree = {
            "vocab": str(vocab),
            "max_length": LENGTH,
            "corpora": {"text": {"path": str(month), "format": "titled_text", "language": "zh"}},
            "tasks": {"knowledge_masking": {"corpora": ["text"]}},
        }
        with Processes(2) as engine:
            build(check_settings(BuildSettings, tree, "benchmark"), folder, engine, load_plugins())
    return SampleTable.open(folder / "knowledge_masking", "train"), Vocabulary.load(vocab)


def collating() -> dict[str, dict[int, float]]:
    """Return how many tokens per second one core reads, masks and collates, by tokens per batch."""
    table, vocabulary = shards()
    name, whole = "knowledge_masking", os.sched_getaffinity(0)
    task = load_plugins().pretraining_tasks.get(name)
    speeds = {}
    os.sched_setaffinity(0, {min(whole)})
    for batch_tokens in (2048, 16384):
        train = TrainSettings(batch_tokens=batch_tokens, learning_rate={"peak": 1e-4})  # type: ignore[arg-type]
        data = {name: TaskData(table, {}, frozenset())}
        preparer = StepPreparer(train, vocabulary, data, lambda planned: (task,), Ranks())
        steps = preparer.prepare_all((PlannedStep(number, 0, name) for number in range(1, 10**6)), {})
        next(steps)
        tokens, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < 3:
            tokens += sum(micro_batch.tokens for micro_batch in next(steps).micro_batches.values())
        speeds[batch_tokens] = tokens / seconds
    os.sched_setaffinity(0, whole)
    shown = ", ".join(f"{speed / 1e6:.2f} M with batches of {size:,}" for size, speed in speeds.items())
    CONSOLE.print(f"reading, masking and collating, tokens/s on one core: {shown}")
    return {"collating": speeds}


def accumulation(config: Path) -> dict[str, float]:
    """Return the share of the time spent in the update program if a step has 4 micro-batches."""
    path = OUT / "accumulation.json"
    bench(config, "--steps", "2", "--set", "train.accumulation=4", "--out", str(path))
    (speed,) = json.loads(path.read_text())["speeds"]
    share = speed["update_seconds"] / sum(speed["seconds"])
    CONSOLE.print(f"accumulation 4: {share:.1%} of the time in the update program")
    return {"update_share": share}


def memory(steps: int = 5000) -> dict[str, dict[int, float]]:
    """Return resident memory in MB over the steps of a tiny model, on samples of many lengths."""
    table, vocabulary = shards()
    name = "knowledge_masking"
    config = ErnieConfig(
        vocab_size=vocabulary.size,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        hidden_act="gelu",
    )
    train = TrainSettings(batch_tokens=512, learning_rate={"peak": 1e-3})  # type: ignore[arg-type]
    tasks = {name: load_plugins().pretraining_tasks.get(name)}
    plan = StagePlan((name,), ((steps,),))
    data = {name: TaskData(table, {}, frozenset())}
    trainer = Trainer(config, vocabulary, tasks, data, plan, train, ImplSettings())
    megabytes = {
        step.planned.number: trainer.session.memory_bytes() / 1e6
        for step in trainer.steps()
        if step.planned.number % (steps // 5) == 0
    }
    shown = ", ".join(f"{size:.0f} after {number:,}" for number, size in megabytes.items())
    CONSOLE.print(f"resident memory, MB: {shown}")
    return {"memory": megabytes}


def profile(config: Path) -> list[dict[str, float]]:
    """Return the time of each operator in one step."""
    path = OUT / "profile.json"
    bench(config, "--steps", "1", "--profile", "--out", str(path))
    return json.loads(path.read_text())["operators"]


def bench(config: Path, *options: str) -> None:
    """Run `ernie-paddle bench` on batches of the fixed shape."""
    command = [sys.executable, "-m", "ernie_paddle", "bench", "--model", str(config), "--length", str(LENGTH)]
    subprocess.run([*command, *options], check=True)


if __name__ == "__main__":
    main()
