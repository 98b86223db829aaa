"""`ernie-paddle inspect`."""

import argparse
from pathlib import Path

import numpy as np

from ernie_paddle.arguments import positive
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.checking import check_shards
from ernie_paddle.data.samples import BEGIN, IGNORED, NAMED_ENTITY, PHRASE, SampleBlock
from ernie_paddle.data.shards import SPLITS, Manifest, SampleTable, task_folders
from ernie_paddle.errors import UserError
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.registry import Command, Registry
from ernie_paddle.text.vocabulary import Vocabulary

_MARKS = {NAMED_ENTITY: "*", PHRASE: "+"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a task's folder, as runs/quickstart/shards/sentence_distance")
    parser.add_argument("--n", type=positive, default=3, help="samples to show (default: 3)")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--vocab", type=Path, help="vocab.txt (default: the one beside the shards)")
    parser.add_argument("--seed", type=int, default=1, help="key of the masks shown (default: 1)")
    parser.add_argument(
        "--check", action="store_true", help="read every value instead; the folder may hold those of several tasks"
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    if args.check:
        check(args.folder, args.vocab)
        return
    manifest = Manifest.load(args.folder)
    vocabulary = Vocabulary.load(args.vocab or args.folder.parent / "vocab.txt")
    if vocabulary.digest != manifest.vocabulary_digest:
        raise UserError(f"{args.folder}: built with another vocabulary; name it with --vocab")
    table = SampleTable.open(args.folder, args.split)
    print(f"{manifest.task}, {args.split}: {len(table):,} samples, carrying {', '.join(manifest.carried)}")
    for row in range(min(args.n, len(table))):
        sample = table.take(np.array([row]))
        print(f"\n{row}: {described(sample, vocabulary, manifest.labels)}")
        print(f"   masked: {masked(sample, row, vocabulary, registry, args.seed)}")


def check(folder: Path, vocab: Path | None) -> None:
    """Check one task's folder or all in a folder; say what was read."""
    for task in task_folders(folder):
        manifest = check_shards(task, Vocabulary.load(vocab or task.parent / "vocab.txt"))
        samples = ", ".join(f"{manifest.count(split):,} {split}" for split in SPLITS)
        print(f"{task}: whole; {samples} samples")


def described(sample: SampleBlock, vocabulary: Vocabulary, labels: list[str]) -> str:
    """One sample as text: units masked whole between bars, `*` before named entities, `+` before phrases; the label."""
    columns = sample.columns
    codes, ids = columns["span_codes"], columns["input_ids"]
    borders = np.flatnonzero((codes == BEGIN) | (codes == IGNORED)).tolist()
    units = []
    for start, end in zip(borders, [*borders[1:], len(ids)], strict=True):
        mark = _MARKS.get(int(columns["span_kinds"][start]), "")
        units.append(mark + vocabulary.to_text(ids[start:end].tolist()))
    label = int(sample.labels[0])
    named = f"{label} ({labels[label]})" if 0 <= label < len(labels) else str(label)
    return "|".join(units) + ("" if label == IGNORED else f"   label {named}")


def masked(sample: SampleBlock, row: int, vocabulary: Vocabulary, registry: Registry, seed: int) -> str:
    """The sample as the tasks that always ride along make it when a batch is drawn."""
    batch = Batch.of(sample, np.array([row]))
    for task in registry.pretraining_tasks:
        if task.always_companion:
            task.objective.label(batch, vocabulary, keyed_hash(seed, task.name))
    return vocabulary.to_text(batch.columns["input_ids"].tolist())


COMMAND = Command(
    name="inspect",
    help="show samples of a task as text with their units, labels and masks, or check every value",
    example="ernie-paddle inspect runs/quickstart/shards/sentence_distance --n 3\n"
    "  ernie-paddle inspect --check runs/quickstart/shards",
    configure=configure,
    run=run,
)
