"""`ernie-paddle inspect`."""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

from ernie_paddle.arguments import positive, seed
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.checking import check_shards, open_checked
from ernie_paddle.data.samples import BEGIN, IGNORED, NAMED_ENTITY, PHRASE, SampleBlock
from ernie_paddle.data.shards import SPLITS, Manifest, task_folders
from ernie_paddle.errors import UserError
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.registry import Command, Registry
from ernie_paddle.task import TokenClassificationObjective
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

_MARKS = {NAMED_ENTITY: "*", PHRASE: "+"}
_SIGNS = (
    "signs: | between masking units, * before a named entity, + before a phrase; "
    "masked: one random masking; most masked tokens become [MASK], some become another token or do not change"
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of a task, such as runs/quickstart/shards/sentence_distance")
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
        return
    manifest = Manifest.load(args.folder)
    vocabulary = Vocabulary.load(args.vocab or args.folder.parent / VOCABULARY_FILE)
    if vocabulary.digest != manifest.vocabulary_digest:
        raise UserError(f"{args.folder}: built with another vocabulary; name that one with --vocab")
    table = open_checked(args.folder, args.split)
    print(f"{manifest.task}, {args.split}: {len(table):,} samples with {', '.join(manifest.carried)}")
    labelled = token_tasks(registry, manifest)
    print(_SIGNS)
    if labelled:
        print(f"token labels: {'; '.join(map(named_classes, labelled, labelled.values()))}; no number: no label")
    for row in range(min(args.n, len(table))):
        sample = table.take(np.array([row]))
        print(f"\n{row}: {described(sample, vocabulary, manifest.labels)}")
        for name, objective in labelled.items():
            if (sample.columns[objective.column] != IGNORED).any():
                print(f"   {name}: {with_token_labels(sample, objective.column, vocabulary)}")
        print(f"   masked: {masked(sample, row, vocabulary, registry, args.seed)}")


def named_classes(task: str, objective: TokenClassificationObjective) -> str:
    """Return the name of a task and its classes as `/number label`."""
    return f"{task} " + ", ".join(f"/{number} {label}" for number, label in enumerate(objective.labels))


def token_tasks(registry: Registry, manifest: Manifest) -> dict[str, TokenClassificationObjective]:
    """Return the objectives of the tasks for whose labels these shards have a column, by task name."""
    objectives = {task.name: task.objective for task in registry.pretraining_tasks}
    return {
        name: objective
        for name, objective in objectives.items()
        if isinstance(objective, TokenClassificationObjective) and objective.column in manifest.carried
    }


def check(folder: Path, vocab: Path | None) -> None:
    """Check the shards of one task, or of all tasks in a folder; print the numbers of samples."""
    for task in task_folders(folder):
        manifest = check_shards(task, Vocabulary.load(vocab or task.parent / VOCABULARY_FILE))
        samples = ", ".join(f"{manifest.count(split):,} {split}" for split in SPLITS)
        print(f"{task}: valid; {samples} samples")


def described(sample: SampleBlock, vocabulary: Vocabulary, labels: list[str]) -> str:
    """Return a sample as text with `|` between masking units, `*` before named entities and `+` before phrases."""
    columns = sample.columns
    units = []
    for start, end in pairwise(unit_bounds(sample)):
        mark = _MARKS.get(int(columns["span_kinds"][start]), "")
        units.append(mark + vocabulary.to_text(columns["input_ids"][start:end].tolist()))
    label = int(sample.labels[0])
    named = f"{label} ({labels[label]})" if 0 <= label < len(labels) else str(label)
    return "|".join(units) + ("" if label == IGNORED else f"   label {named}")


def with_token_labels(sample: SampleBlock, column: str, vocabulary: Vocabulary) -> str:
    """Return a sample as text with `/label` after the tokens of a unit that have the same label."""
    ids, labels = sample.columns["input_ids"], sample.columns[column]
    changes = np.flatnonzero(np.diff(labels)) + 1
    pieces = []
    for start, end in pairwise(sorted({*unit_bounds(sample), *changes.tolist()})):
        label = "" if labels[start] == IGNORED else f"/{labels[start]}"
        pieces.append(vocabulary.to_text(ids[start:end].tolist()) + label)
    return "|".join(pieces)


def unit_bounds(sample: SampleBlock) -> list[int]:
    """Return where the masking units and special tokens of a sample begin, and where the last ends."""
    bi_tags = sample.columns["bi_tags"]
    return [*np.flatnonzero((bi_tags == BEGIN) | (bi_tags == IGNORED)).tolist(), len(bi_tags)]


def masked(sample: SampleBlock, row: int, vocabulary: Vocabulary, registry: Registry, seed: int) -> str:
    """Return a sample as text after the masking of the tasks that are always auxiliary."""
    batch = Batch.of(sample, np.array([row]))
    for task in registry.pretraining_tasks:
        if task.always_auxiliary:
            task.objective.label(batch, vocabulary, keyed_hash(seed, task.name))
    return vocabulary.to_text(batch.columns["input_ids"].tolist())


COMMAND = Command(
    name="inspect",
    help="show samples of a task as text with their masking units, labels and masks, or check every value",
    example="ernie-paddle inspect runs/quickstart/shards/sentence_distance --n 3\n"
    "  ernie-paddle inspect --check runs/quickstart/shards",
    configure=configure,
    run=run,
)
