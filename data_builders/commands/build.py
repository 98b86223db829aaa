"""`ernie-paddle build`."""

import argparse
from pathlib import Path

from rich.table import Table

from data_builders.annotation.store import AnnotatedCorpus
from data_builders.build import BuildResult, BuildSettings, TaskCounts, build
from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.console import open_console
from ernie_paddle.registry import Command, Registry

MOST_UNKNOWN = 0.05


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", type=Path, required=True, help="corpora file: vocabulary, corpora, tasks (YAML)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards, a folder a task")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1); the shards do not depend on it")
    add_overrides(parser, "max_length=128")


def run(args: argparse.Namespace, registry: Registry) -> None:
    settings = load_settings(BuildSettings, args.plan, args.set)
    result = build(settings, args.out, max(1, args.workers), registry)
    console = open_console()
    console.print(corpora_table(result.corpora))
    console.print(tasks_table(result))
    for name, counts in result.tasks.items():
        for note in counts.notes:
            console.print(f"{name}: {note}", soft_wrap=True)
    for name, corpus in result.corpora.items():
        if (share := unknown_share(corpus)) > MOST_UNKNOWN:
            console.print(f"warning: {share:.1%} of the tokens of {name} are [UNK]: vocabulary and corpus do not fit")


def unknown_share(corpus: AnnotatedCorpus) -> float:
    """Share of tokens that the vocabulary does not have."""
    return corpus.counts.unknown_tokens / max(corpus.counts.tokens, 1)


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
    for column in ("train", "validation", "tokens", "documents", "without a sample", "samples by label"):
        table.add_column(column, justify="right")
    for name, counts in result.tasks.items():
        table.add_row(
            name,
            f"{counts.samples['train']:,}",
            f"{counts.samples['validation']:,}",
            f"{counts.tokens.total():,}",
            f"{counts.documents:,}",
            ", ".join(f"{count:,} {reason}" for reason, count in counts.unsuitable.most_common()) or "-",
            _label_range(counts),
        )
    return table


def _label_range(counts: TaskCounts) -> str:
    labelled = [count for label, count in counts.labels.items() if label != "-1"]
    return f"{min(labelled):,} to {max(labelled):,}" if labelled else "-"


COMMAND = Command(
    name="build",
    help="annotate corpora once and write the samples of every task of a corpora file",
    example="ernie-paddle build --plan configs/corpora/quickstart.yaml --out runs/quickstart/shards --workers 2",
    configure=configure,
    run=run,
)
