"""`ernie-paddle build`."""

import argparse
from pathlib import Path

from rich.table import Table

from data_builders.annotation.annotated_corpus import AnnotatedCorpus
from data_builders.build import BuildResult, TaskCounts, build, build_samples
from data_builders.corpora_config import BuildSettings
from data_builders.ray_engine import RayWorkers
from ernie_paddle.arguments import positive
from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.console import open_console
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry

MAX_UNKNOWN_SHARE = 0.05  # of the tokens of a corpus; more gives a warning


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpora", type=Path, required=True, help="corpora config: a YAML file with vocab, corpora and tasks"
    )
    parser.add_argument(
        "--out", type=output_folder, required=True, help="folder for the shards, one subfolder per task"
    )
    parser.add_argument(
        "--workers", type=positive, default=1, help="number of processes (default: 1); does not change the shards"
    )
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="processes on this machine or on a Ray cluster (default: local)",
    )
    add_overrides(parser, "max_length=128")


def run(args: argparse.Namespace, registry: Registry) -> None:
    settings = load_settings(BuildSettings, args.corpora, args.set)
    if args.engine == "ray":
        with RayWorkers(args.workers) as engine:
            result = build(settings, args.out, engine, registry)
    else:
        result = build_samples(settings, args.out, workers=args.workers, registry=registry)
    console = open_console()
    console.print(corpora_table(result.corpora))
    console.print(tasks_table(result))
    for reason in result.without_samples.values():
        console.print(f"left out: {reason}", soft_wrap=True)
    for name, counts in result.tasks.items():
        for note in counts.notes:
            console.print(f"{name}: {note}", soft_wrap=True)
    for name, corpus in result.corpora.items():
        if corpus.counts.not_found:
            console.print(f"{name}: {entries_not_found(corpus)}", soft_wrap=True)
        if (share := unknown_share(corpus)) > MAX_UNKNOWN_SHARE:
            console.print(
                f"warning: {share:.1%} of the tokens of {name} are [UNK]: the vocabulary does not fit the corpus"
            )


def unknown_share(corpus: AnnotatedCorpus) -> float:
    """Return the share of `[UNK]` tokens of a corpus."""
    return corpus.counts.unknown_tokens / max(corpus.counts.tokens, 1)


def entries_not_found(corpus: AnnotatedCorpus) -> str:
    """Describe the words and names of the section `spans` that do not occur in a corpus."""
    counts = corpus.counts
    listed = ", ".join(counts.examples) + (", ..." if counts.not_found > len(counts.examples) else "")
    entries = f"{counts.not_found:,} of {counts.user_entries:,} words and names of dictionaries and gazetteers"
    return f"{entries} were not found ({listed})"


def corpora_table(corpora: dict[str, AnnotatedCorpus]) -> Table:
    """Return a table of the documents, sentences and tokens of each corpus."""
    table = Table("corpus", title="corpora")
    for column in ("read", "kept", "sentences", "tokens", "unknown", "skipped or repaired"):
        table.add_column(column, justify="right")
    for name, corpus in corpora.items():
        counts = corpus.counts
        noted = ", ".join(f"{count:,} {reason}" for reason, count in counts.noted.items()) or "-"
        numbers = (counts.records, counts.documents, counts.sentences, counts.tokens)
        table.add_row(name, *(f"{number:,}" for number in numbers), f"{unknown_share(corpus):.2%}", noted)
    return table


def tasks_table(result: BuildResult) -> Table:
    """Return a table of the samples of each task."""
    table = Table("task", title="samples")
    for column in ("train", "validation", "tokens", "unknown", "documents", "without a sample", "samples by class"):
        table.add_column(column, justify="right")
    for name, counts in result.tasks.items():
        tokens = sum(counts.tokens.values())
        reasons = sorted(counts.unsuitable.items(), key=lambda reason_and_count: -reason_and_count[1])
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
    """Return the number of classes, and the numbers of samples of the rarest and the most frequent class."""
    labelled = [counts.labels.get(str(label), 0) for label in range(len(counts.classes))]
    return f"{len(labelled)}: {min(labelled):,} to {max(labelled):,}" if labelled else "-"


COMMAND = Command(
    name="build",
    help="annotate corpora once and write the samples of every task of a corpora config",
    example="ernie-paddle build --corpora configs/corpora/quickstart.yaml --out runs/quickstart/shards --workers 2",
    configure=configure,
    run=run,
    after_stop="run the same command again to resume",
)
