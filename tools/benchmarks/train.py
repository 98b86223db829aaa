"""Training beside Hugging Face's BERT and paddlenlp's ERNIE, taking turns step by step. Run by tools/benchmark.sh."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from batches import IGNORED, read_batches, write_batch
from rich.table import Table
from stepping import Peer

from data_builders.build import BuildSettings, build
from data_builders.demo import peoples_daily
from data_builders.readers.text import TitledTextReader
from data_builders.vocabulary import train_vocabulary
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.console import open_console
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import IGNORED as UNLABELLED
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.plan import PlannedUpdate, StagePlan
from ernie_paddle.training.trainer import Trainer
from ernie_paddle.training.updates import TaskData, UpdatePreparer

ROOT = Path(__file__).parents[2]
OUT = ROOT / "runs/benchmark"
HERE = Path(__file__).parent
SAMPLES, LENGTH, MASKED = 8, 128, 20
SAMPLES_AS_THEY_COME, BATCHES = 16, 40
WARM_UP = 2  # rounds
CONSOLE = open_console()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["train"])
    parser.add_argument("--peers", required=True, help="python of the environment with PyTorch and transformers")
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
        "fp32, samples of the People's Daily: buckets of similar length beside random order, dynamically padded",
        [ours, huggingface],
        (samples, config, "fp32"),
        args.rounds,
    )
    result["finetuning"] = compare(
        "fp32, fine-tuning (classification) beside pre-training on the same tokens",
        [(sys.executable, "ours_finetuning"), ours],
        (fixed, config, "fp32"),
        args.rounds,
    )
    write_json(OUT / "train.json", result)
    CONSOLE.print(f"{OUT / 'train.json'}: written")


def compare(
    title: str, peers: list[tuple[str, str]], arguments: tuple[Path, Path, str], rounds: int
) -> dict[str, list[float]]:
    """Real tokens a second of each peer, round by round; the ratios are the first peer's to the others'."""
    processes = [Peer(name, python, HERE / "peers" / f"{name}.py", *map(str, arguments)) for python, name in peers]
    speeds: dict[str, list[float]] = {peer.name: [] for peer in processes}
    for number in range(WARM_UP + rounds):
        for peer in processes:
            seconds, tokens = peer.step(number)
            if number >= WARM_UP:
                speeds[peer.name].append(tokens / seconds)
    for peer in processes:
        peer.close()
    first = processes[0].name
    table = Table("peer", title=title)
    for column in ("tokens/s", f"{first} / peer, median", "from", "to"):
        table.add_column(column, justify="right")
    for name, found in speeds.items():
        ratios = [mine / theirs for mine, theirs in zip(speeds[first], found, strict=True)]
        figures = (statistics.median(ratios), min(ratios), max(ratios))
        table.add_row(name, f"{statistics.median(found):,.0f}", *(f"{ratio:.2f}" for ratio in figures))
    CONSOLE.print(table)
    return speeds


def fixed_batches(config: Path) -> Path:
    """A few batches of random tokens, all samples of one length."""
    folder, size = OUT / "fixed", ErnieConfig.load(config).vocab_size
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(4):
        random = generator("benchmark", "fixed", number)
        ids = random.integers(5, size, (SAMPLES, LENGTH))
        labels = np.full_like(ids, IGNORED)
        for row in range(SAMPLES):
            chosen = random.choice(LENGTH, MASKED, replace=False)
            labels[row, chosen] = ids[row, chosen]
        write_batch(folder, number, list(ids), list(labels))
    return folder


def sample_batches() -> Path:
    """Batches of masked samples in random order."""
    folder, table, vocabulary = OUT / "samples", *shards()
    shutil.rmtree(folder, ignore_errors=True)
    masking = load_plugins().pretraining_tasks.get("knowledge_masking").objective
    order = generator("benchmark", "samples").permutation(len(table))
    for number in range(BATCHES):
        rows = order[number * SAMPLES_AS_THEY_COME : (number + 1) * SAMPLES_AS_THEY_COME]
        batch = Batch.of(table.take(rows), rows)
        ids = batch.columns["input_ids"]
        masked = masking.label(batch, vocabulary, 1)
        tokens = masked.tokens[masked.classes != UNLABELLED]
        labels = np.full(batch.tokens, IGNORED)
        labels[tokens] = ids[tokens]
        borders = batch.first_tokens[1:]
        write_batch(folder, number, np.split(batch.columns["input_ids"], borders), np.split(labels, borders))
    lengths = np.concatenate([batch["lengths"] for batch in read_batches(folder)])
    shown = ", ".join(f"{share}: {np.quantile(lengths, share):.0f}" for share in (0.1, 0.5, 0.9))
    CONSOLE.print(f"lengths of the People's Daily's samples, quantiles {shown}")
    return folder


def shards() -> tuple[SampleTable, Vocabulary]:
    """Knowledge masking of a month of the People's Daily."""
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
    """Real tokens a second that one core reads, masks and collates, by tokens of a batch."""
    table, vocabulary = shards()
    name, whole = "knowledge_masking", os.sched_getaffinity(0)
    task = load_plugins().pretraining_tasks.get(name)
    speeds = {}
    os.sched_setaffinity(0, {min(whole)})
    for batch_tokens in (2048, 16384):
        train = TrainSettings(batch_tokens=batch_tokens, learning_rate={"peak": 1e-4})  # type: ignore[arg-type]
        data = {name: TaskData(table, table, frozenset())}
        preparer = UpdatePreparer(train, vocabulary, data, lambda planned: (task,), Ranks())
        updates = preparer.prepare_all((PlannedUpdate(number, 0, name) for number in range(1, 10**6)), {})
        next(updates)
        tokens, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < 3:
            tokens += sum(micro_batch.tokens for micro_batch in next(updates).micro_batches.values())
        speeds[batch_tokens] = tokens / seconds
    os.sched_setaffinity(0, whole)
    found = ", ".join(f"{speed / 1e6:.2f} M with batches of {size:,}" for size, speed in speeds.items())
    CONSOLE.print(f"reading, masking and collating, tokens a second on one core: {found}")
    return {"collating": speeds}


def accumulation(config: Path) -> dict[str, float]:
    """The update program's share of the time where an update has 4 micro-batches."""
    path = OUT / "accumulation.json"
    bench(config, "--updates", "2", "--set", "train.accumulation=4", "--out", str(path))
    (speed,) = json.loads(path.read_text())["speeds"]
    share = speed["in_updates"] / sum(speed["seconds"])
    CONSOLE.print(f"accumulation 4: {share:.1%} of the time in the update program")
    return {"update_share": share}


def memory(updates: int = 5000) -> dict[str, dict[int, float]]:
    """Resident memory in MB over the updates of a tiny model, on samples of many lengths."""
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
    plan = StagePlan((name,), ((updates,),))
    data = {name: TaskData(table, table, frozenset())}
    trainer = Trainer(config, vocabulary, tasks, data, plan, train, ImplSettings())
    found = {
        step.planned.number: trainer.session.memory_bytes() / 1e6
        for step in trainer.updates()
        if step.planned.number % (updates // 5) == 0
    }
    CONSOLE.print("resident memory, MB:", ", ".join(f"{size:.0f} after {number:,}" for number, size in found.items()))
    return {"memory": found}


def profile(config: Path) -> list[dict[str, float]]:
    """Time of each kind of operator in one update."""
    path = OUT / "profile.json"
    bench(config, "--updates", "1", "--profile", "--out", str(path))
    return json.loads(path.read_text())["operators"]


def bench(config: Path, *options: str) -> None:
    """Run `ernie-paddle bench` on batches of the fixed shape."""
    command = [sys.executable, "-m", "ernie_paddle", "bench", "--model", str(config), "--length", str(LENGTH)]
    subprocess.run([*command, *options], check=True)


def can_bf16() -> bool:
    """Whether this machine computes in bf16; if not, that is said."""
    from ernie_paddle.programs.devices import check_precision, default_place

    try:
        check_precision("bf16", default_place())
    except UserError as error:
        CONSOLE.print(f"bf16 is not measured: {error}")
        return False
    return True


if __name__ == "__main__":
    main()
