"""`ernie-paddle inspect`."""

import argparse
from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from rich.table import Table

from ernie_paddle.arguments import positive, seed
from ernie_paddle.console import open_console
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.checking import check_shards, check_vocabulary, open_checked
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import IGNORED, INPUT_IDS, Column, of_level
from ernie_paddle.data.shards import MANIFEST, SPLITS, Manifest, task_folders
from ernie_paddle.data.spans import BEGIN, BI_TAGS, NAMED_ENTITY, PHRASE, SPAN_KINDS, SPANS, WORD
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.registry import Command, Registry
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

_MARKS = {NAMED_ENTITY: "*", PHRASE: "+"}
_SIGNS = (
    "signs: | between masking units, * before a named entity, + before a phrase; "
    "masked: one random masking; most masked tokens become [MASK], some become another token or do not change"
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of a task, of a task; of several tasks for an overview")
    parser.add_argument("--n", type=positive, default=3, help="number of samples to show (default: 3)")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--vocab", type=Path, help="vocabulary (default: vocab.txt beside the folder)")
    parser.add_argument("--seed", type=seed, default=1, help="seed of the masks shown (default: 1)")
    parser.add_argument(
        "--check", action="store_true", help="read and verify every value instead; the folder may contain several tasks"
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    if args.check:
        check(args.folder, args.vocab)
    elif (args.folder / MANIFEST).is_file():
        show_samples(args, registry)
    else:
        folders = task_folders(args.folder)
        open_console().print(overview(folders), corpora_table(folders))


def show_samples(args: argparse.Namespace, registry: Registry) -> None:
    """Print some samples of a task."""
    manifest = Manifest.load(args.folder)
    vocabulary = Vocabulary.load(args.vocab or args.folder.parent / VOCABULARY_FILE)
    check_vocabulary(args.folder, manifest, vocabulary)
    table = open_checked(args.folder, args.split)
    print(f"{manifest.task}, {args.split}: {len(table):,} samples with {', '.join(c.name for c in manifest.columns)}")
    print(_SIGNS)
    labelled = [column for column in manifest.columns if column.has_labels and column.declaration not in SPANS]
    token_columns = of_level(labelled, "token")
    if token_columns:
        print(f"token labels: {'; '.join(map(named_classes, token_columns))}; no number: no label")
    for row in range(min(args.n, len(table))):
        sample = table.take(np.array([row]))
        print(f"\n{row}: {described(sample, vocabulary, of_level(labelled, 'sentence'))}")
        for column in token_columns:
            if (sample.columns[column.name] != IGNORED).any():
                print(f"   {column.name}: {with_token_labels(sample, column.name, vocabulary)}")
        print(f"   masked: {masked(sample, row, vocabulary, registry, args.seed)}")


def overview(folders: list[Path]) -> Table:
    """Return a table of the samples of several tasks."""
    table = Table("task", title="samples")
    for column in ("train", "validation", "tokens", "bytes per token"):
        table.add_column(column, justify="right")
    table.add_column("columns")
    for folder in folders:
        manifest = Manifest.load(folder)
        counts = {what: sum(manifest.count(split, what) for split in SPLITS) for what in ("tokens", "bytes")}
        table.add_row(
            manifest.task,
            *(f"{manifest.count(split):,}" for split in SPLITS),
            f"{counts['tokens']:,}",
            f"{counts['bytes'] / max(counts['tokens'], 1):.1f}",
            ", ".join(column.name for column in manifest.columns),
        )
    return table


def corpora_table(folders: list[Path]) -> Table:
    """Return a table of the samples of each corpus of several tasks, in their order."""
    table = Table("task", "corpus", title="samples by corpus")
    for column in (*SPLITS, "tokens"):
        table.add_column(column, justify="right")
    for folder in folders:
        manifest = Manifest.load(folder)
        samples = [manifest.samples_by_corpus(split) for split in SPLITS]
        tokens = Counter[str]()
        for corpus in chain.from_iterable(manifest.corpora.values()):
            tokens[corpus.name] += corpus.tokens
        for number, name in enumerate(tokens):
            counts = [*(by_corpus.get(name, 0) for by_corpus in samples), tokens[name]]
            table.add_row("" if number else manifest.task, name, *(f"{count:,}" for count in counts))
    return table


def named_classes(column: Column) -> str:
    """Return the name of a column and its classes as `/number label`."""
    return f"{column.name} " + ", ".join(f"/{number} {label}" for number, label in enumerate(column.labels))


def check(folder: Path, vocab: Path | None) -> None:
    """Check the shards of one task, or of all tasks in a folder; print the numbers of samples."""
    for task in task_folders(folder):
        manifest = check_shards(task, Vocabulary.load(vocab or task.parent / VOCABULARY_FILE))
        samples = ", ".join(f"{manifest.count(split):,} {split}" for split in SPLITS)
        print(f"{task}: valid; {samples} samples")


def described(sample: SampleBlock, vocabulary: Vocabulary, columns: Sequence[Column]) -> str:
    """Return a sample as text with `|` between masking units, and its values of the sentence-level `columns`.

    `*` stands before named entities and `+` before phrases.
    """
    units = []
    for start, end in pairwise(unit_bounds(sample)):
        kind = int(sample.columns[SPAN_KINDS.name][start]) if SPAN_KINDS.name in sample.columns else WORD
        units.append(_MARKS.get(kind, "") + vocabulary.to_text(sample.columns[INPUT_IDS][start:end].tolist()))
    labels = [f"   {column.name} {named_label(sample, column)}" for column in columns]
    return "|".join(units) + "".join(labels)


def named_label(sample: SampleBlock, column: Column) -> str:
    """Return the class id of a sample, and the name of its class if it has one."""
    label = int(sample.sample_columns[column.name][0])
    return f"{label} ({column.labels[label]})" if 0 <= label < len(column.labels) else str(label)


def with_token_labels(sample: SampleBlock, column: str, vocabulary: Vocabulary) -> str:
    """Return a sample as text with `/label` after the tokens of a unit that have the same label."""
    ids, labels = sample.columns[INPUT_IDS], sample.columns[column]
    changes = np.flatnonzero(np.diff(labels)) + 1
    pieces = []
    for start, end in pairwise(sorted({*unit_bounds(sample), *changes.tolist()})):
        label = "" if labels[start] == IGNORED else f"/{labels[start]}"
        pieces.append(vocabulary.to_text(ids[start:end].tolist()) + label)
    return "|".join(pieces)


def unit_bounds(sample: SampleBlock) -> list[int]:
    """Return where the masking units and special tokens of a sample begin, and where the last ends.

    Without spans, each token is a unit.
    """
    tokens = int(sample.lengths.sum())
    bi_tags = sample.columns.get(BI_TAGS.name, np.full(tokens, BEGIN))
    return [*np.flatnonzero((bi_tags == BEGIN) | (bi_tags == IGNORED)).tolist(), tokens]


def masked(sample: SampleBlock, row: int, vocabulary: Vocabulary, registry: Registry, seed: int) -> str:
    """Return a sample as text after the masking of the tasks that are always auxiliary."""
    batch = Batch.of(sample, np.array([row]))
    for task in registry.pretraining_tasks:
        if task.always_auxiliary and task.objective.column.name in batch.columns:
            task.objective.label(batch, vocabulary, keyed_hash(seed, task.name))
    return vocabulary.to_text(batch.columns[INPUT_IDS].tolist())


COMMAND = Command(
    name="inspect",
    help="show samples as text with their masking units, labels and masks, an overview, or check every value",
    example="ernie-paddle inspect runs/quickstart/shards/sentence_distance --n 3\n"
    "  ernie-paddle inspect --check runs/quickstart/shards",
    configure=configure,
    run=run,
)
