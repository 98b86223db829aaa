"""`ernie-paddle build`."""

import argparse
from pathlib import Path

from rich.table import Table

from data_builders.annotation.store import AnnotatedCorpus
from data_builders.build import BuildResult, BuildSettings, TaskCounts, build
from data_builders.ray_engine import RayWorkers
from data_builders.workers import Processes
from ernie_paddle.arguments import positive
from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.console import open_console
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry

MOST_UNKNOWN = 0.05


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", type=Path, required=True, help="corpora file: vocabulary, corpora, tasks (YAML)")
    parser.add_argument("--out", type=output_folder, required=True, help="folder for the shards, a folder a task")
    parser.add_argument("--workers", type=positive, default=1, help="processes (1); the shards do not depend on it")
    parser.add_argument(
        "--engine", choices=["local", "ray"], default="local", help="processes of this machine or of a Ray cluster"
    )
    add_overrides(parser, "max_length=128")


def run(args: argparse.Namespace, registry: Registry) -> None:
    settings = load_settings(BuildSettings, args.plan, args.set)
    with RayWorkers(args.workers) if args.engine == "ray" else Processes(args.workers) as engine:
        result = build(settings, args.out, engine, registry)
    console = open_console()
    console.print(corpora_table(result.corpora))
    console.print(tasks_table(result))
    for name, counts in result.tasks.items():
        for note in counts.notes:
            console.print(f"{name}: {note}", soft_wrap=True)
    for name, corpus in result.corpora.items():
        if corpus.counts.unmet:
            console.print(f"{name}: {unmet_words(corpus)}", soft_wrap=True)
        if (share := unknown_share(corpus)) > MOST_UNKNOWN:
            console.print(f"warning: {share:.1%} of the tokens of {name} are [UNK]: vocabulary and corpus do not fit")


def unknown_share(corpus: AnnotatedCorpus) -> float:
    """Share of tokens that the vocabulary does not have."""
    return corpus.counts.unknown_tokens / max(corpus.counts.tokens, 1)


def unmet_words(corpus: AnnotatedCorpus) -> str:
    """How many of the words and names in `spans` a corpus does not hold, and some of them."""
    counts = corpus.counts
    more = ", ..." if counts.unmet > len(counts.examples) else ""
    named = ", ".join(counts.examples) + more
    return f"{counts.unmet:,} of {counts.given:,} words and names of dictionaries and gazetteers were not met ({named})"


def corpora_table(corpora: dict[str, AnnotatedCorpus]) -> Table:
    """What was read and kept of each corpus."""
    table = Table("corpus", title="corpora")
    for column in ("read", "kept", "sentences", "tokens", "unknown", "noted"):
        table.add_column(column, justify="right")
    for name, corpus in corpora.items():
        counts = corpus.counts
        noted = ", ".join(f"{count:,} {reason}" for reason, count in counts.noted.items()) or "-"
        numbers = (counts.records, counts.documents, counts.sentences, counts.tokens)
        table.add_row(name, *(f"{number:,}" for number in numbers), f"{unknown_share(corpus):.2%}", noted)
    return table


def tasks_table(result: BuildResult) -> Table:
    """Samples of each task."""
    table = Table("task", title="samples")
    for column in ("train", "validation", "tokens", "unknown", "documents", "without a sample", "samples by class"):
        table.add_column(column, justify="right")
    for name, counts in result.tasks.items():
        tokens = sum(counts.tokens.values())
        reasons = sorted(counts.unsuitable.items(), key=lambda item: -item[1])
        table.add_row(
            name,
            f"{counts.samples['train']:,}",
            f"{counts.samples['validation']:,}",
            f"{tokens:,}",
            f"{counts.unknown_tokens / max(tokens, 1):.2%}",
            f"{counts.documents:,}",
            ", ".join(f"{count:,} {reason}" for reason, count in reasons) or "-",
            class_balance(counts),
        )
    return table


def class_balance(counts: TaskCounts) -> str:
    """How many classes there are, and how many samples the rarest and the most frequent have."""
    labelled = [counts.labels.get(str(label), 0) for label in range(len(counts.classes))]
    return f"{len(labelled)}: {min(labelled):,} to {max(labelled):,}" if labelled else "-"


COMMAND = Command(
    name="build",
    help="annotate corpora once and write the samples of every task of a corpora file",
    example="ernie-paddle build --plan configs/corpora/quickstart.yaml --out runs/quickstart/shards --workers 2",
    configure=configure,
    run=run,
    after_stop="run the same command again, it keeps what is finished",
)
