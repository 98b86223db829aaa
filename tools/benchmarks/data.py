"""Speed and memory of building samples, compared with jieba and paddlenlp's tokenizer. Run by tools/benchmark.sh."""

import argparse
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from data_builders.build import build
from data_builders.corpora_config import BuildSettings
from data_builders.demo import peoples_daily
from data_builders.readers.text import TitledTextReader
from data_builders.vocabulary import train_vocabulary
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.console import open_console
from ernie_paddle.registry import load_plugins

ROOT = Path(__file__).parents[2]
OUT = ROOT / "runs/benchmark"
PEER_BYTES = 700_000  # the peer is slow, and this is enough for a stable result
MEGABYTE = 1_000_000
COPIES = 12  # of the month, so that the start of two workers does not matter
# Each copy of the text has other names, so that its documents are not duplicates.
SURNAMES = (
    "江李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶"
    "阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦史"
)
DIGITS = "０１２３４５６７８９"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", choices=["data", "memory"])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    month = OUT / "peoples_daily" / "articles.txt"
    if not month.exists():
        peoples_daily.write(month.parent)
        train_vocabulary([(TitledTextReader(), month)], 8000).save(OUT / "vocab.txt")
    if args.benchmark == "data":
        speed(month, args.rounds)
        scaling(copies(month, COPIES), args.rounds)
    else:
        memory(month)


def speed(month: Path, rounds: int) -> None:
    """Compare building all seven tasks on one core with jieba and the tokenizer on the same core."""
    pairs = [(in_process(peer, month), in_process(ours, month)) for _ in range(rounds)]
    table = Table("round", title="text to shards of seven tasks, one core, MB/s")
    for column in ("jieba.cut", "ErnieTokenizer", "both", "ours", "ours / both"):
        table.add_column(column, justify="right")
    ratios = []
    for number, (theirs, our_speed) in enumerate(pairs, 1):
        both = 1 / (1 / theirs["jieba"] + 1 / theirs["tokenizer"])
        ratios.append(our_speed["speed"] / both)
        row = (theirs["jieba"], theirs["tokenizer"], both, our_speed["speed"], ratios[-1])
        table.add_row(str(number), *(f"{value:.2f}" for value in row))
    open_console().print(
        table, f"ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}"
    )


def scaling(text: Path, rounds: int) -> None:
    """Compare two workers with one on the same text."""
    table = Table("round", title=f"{text.stat().st_size / MEGABYTE:.0f} MB, MB/s")
    for column in ("1 worker", "2 workers", "2 / 1"):
        table.add_column(column, justify="right")
    ratios = []
    for number in range(1, rounds + 1):
        one, two = (in_process(built, text, workers)["speed"] for workers in (1, 2))
        ratios.append(two / one)
        table.add_row(str(number), f"{one:.2f}", f"{two:.2f}", f"{two / one:.2f}")
    open_console().print(
        table, f"ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}"
    )


def memory(month: Path) -> None:
    """Measure the peak memory of the largest process in building from 100 MB and from 1 GB with two workers."""
    table = Table("MB of text", title="peak memory, two workers")
    for column in ("largest process, MB", "MB/s"):
        table.add_column(column, justify="right")
    peaks = []
    for megabytes in (100, 1000):
        text = copies(month, round(megabytes * MEGABYTE / month.stat().st_size))
        result = in_process(built, text, 2)
        peaks.append(result["peak"])
        table.add_row(f"{text.stat().st_size / MEGABYTE:.0f}", f"{peaks[-1]:.0f}", f"{result['speed']:.2f}")
        text.unlink()
    open_console().print(table, f"ratio: {peaks[1] / peaks[0]:.2f}")


def in_process(function: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Return the result of a function in a new process, so that no run profits from an earlier one."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_send_result, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        sys.exit(f"{function.__name__} failed")
    finally:
        process.join()


def _send_result(pipe: Any, function: Callable[..., dict[str, float]], arguments: tuple[Any, ...]) -> None:
    pipe.send(function(*arguments))


def peer(month: Path) -> dict[str, float]:
    """Measure jieba.cut and ErnieTokenizer line by line, in MB/s each, without loading."""
    on_one_core()
    import jieba
    from paddlenlp.transformers import ErnieTokenizer

    jieba.initialize()
    tokenizer = ErnieTokenizer(str(OUT / "vocab.txt"))
    text = month.read_bytes()[:PEER_BYTES].decode(errors="ignore")
    lines = [line for line in text.split("\n") if line]
    size = len(text.encode()) / MEGABYTE
    start = time.perf_counter()
    for line in lines:
        list(jieba.cut(line))
    middle = time.perf_counter()
    for line in lines:
        tokenizer(line)
    end = time.perf_counter()
    return {"jieba": size / (middle - start), "tokenizer": size / (end - middle)}


def ours(month: Path) -> dict[str, float]:
    """Measure building all seven tasks with one worker on one core."""
    on_one_core()
    return built(month, 1)


def built(text: Path, workers: int) -> dict[str, float]:
    """Measure building all seven tasks, including loading: MB/s, and the peak memory of a process in MB."""
    shards = OUT / "shards"
    shutil.rmtree(shards, ignore_errors=True)
    registry = load_plugins()
    tree = {
        "vocab": str(OUT / "vocab.txt"),
        "max_length": 128,
        "corpora": {"text": {"path": str(text), "format": "titled_text", "language": "zh"}},
        "tasks": {task: {"corpora": ["text"]} for task in registry.sample_builders.names()},
    }
    settings = check_settings(BuildSettings, tree, "benchmark")
    with Processes(workers) as engine:
        start = time.perf_counter()
        build(settings, shards, engine, registry)
        seconds = time.perf_counter() - start
    shutil.rmtree(shards)
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024
    return {"speed": text.stat().st_size / MEGABYTE / seconds, "peak": peak}


def copies(month: Path, count: int) -> Path:
    """Write the text `count` times, each time with other surnames and digits."""
    path = OUT / f"times_{count}.txt"
    text = month.read_text(encoding="utf-8")
    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            surnames = SURNAMES[number % len(SURNAMES) :] + SURNAMES[: number % len(SURNAMES)]
            digits = DIGITS[number // 7 % 10 :] + DIGITS[: number // 7 % 10]
            changed = text.translate(str.maketrans(SURNAMES + DIGITS, surnames + digits))
            file.write(changed + f"\n\n{number}\n{number}\n\n")
    return path


def on_one_core() -> None:
    """Keep this process and its threads on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


if __name__ == "__main__":
    main()
