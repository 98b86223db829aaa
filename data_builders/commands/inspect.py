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
from ernie_paddle.task import TokenClassification
from ernie_paddle.text.vocabulary import Vocabulary

_MARKS = {NAMED_ENTITY: "*", PHRASE: "+"}
_SIGNS = (
    "signs: | between units, which are masked whole, * before a named entity, + before a phrase; "
    "masked: one draw, of the masked tokens most become [MASK], a few another token or stay"
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a task's folder, as runs/quickstart/shards/sentence_distance")
    parser.add_argument("--n", type=positive, default=3, help="samples to show (default: 3)")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--vocab", type=Path, help="vocab.txt (default: the one beside the shards)")
    parser.add_argument("--seed", type=seed, default=1, help="key of the masks shown (default: 1)")
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
    table = open_checked(args.folder, args.split)
    print(f"{manifest.task}, {args.split}: {len(table):,} samples, carrying {', '.join(manifest.carried)}")
    labelled = token_tasks(registry, manifest)
    print(_SIGNS)
    if labelled:
        print(f"labels of tokens: {'; '.join(map(named_classes, labelled, labelled.values()))}; without a number: none")
    for row in range(min(args.n, len(table))):
        sample = table.take(np.array([row]))
        print(f"\n{row}: {described(sample, vocabulary, manifest.labels)}")
        for name, objective in labelled.items():
            if (sample.columns[objective.column] != IGNORED).any():
                print(f"   {name}: {with_token_labels(sample, objective.column, vocabulary)}")
        print(f"   masked: {masked(sample, row, vocabulary, registry, args.seed)}")


def named_classes(task: str, objective: TokenClassification) -> str:
    """A task's classes by the numbers that stand for them."""
    return f"{task} " + ", ".join(f"/{number} {label}" for number, label in enumerate(objective.labels))


def token_tasks(registry: Registry, manifest: Manifest) -> dict[str, TokenClassification]:
    """The tasks whose labels the tokens of these shards carry, by name."""
    objectives = {task.name: task.objective for task in registry.pretraining_tasks}
    return {
        name: objective
        for name, objective in objectives.items()
        if isinstance(objective, TokenClassification) and objective.column in manifest.carried
    }


def check(folder: Path, vocab: Path | None) -> None:
    """Check one task's folder or all in a folder; say what was read."""
    for task in task_folders(folder):
        manifest = check_shards(task, Vocabulary.load(vocab or task.parent / "vocab.txt"))
        samples = ", ".join(f"{manifest.count(split):,} {split}" for split in SPLITS)
        print(f"{task}: whole; {samples} samples")


def described(sample: SampleBlock, vocabulary: Vocabulary, labels: list[str]) -> str:
    """One sample as text: units masked whole between bars, `*` before named entities, `+` before phrases; the label."""
    columns = sample.columns
    units = []
    for start, end in pairwise(unit_borders(sample)):
        mark = _MARKS.get(int(columns["span_kinds"][start]), "")
        units.append(mark + vocabulary.to_text(columns["input_ids"][start:end].tolist()))
    label = int(sample.labels[0])
    named = f"{label} ({labels[label]})" if 0 <= label < len(labels) else str(label)
    return "|".join(units) + ("" if label == IGNORED else f"   label {named}")


def with_token_labels(sample: SampleBlock, column: str, vocabulary: Vocabulary) -> str:
    """One sample as text with `/label` after the tokens of a unit that share one."""
    ids, labels = sample.columns["input_ids"], sample.columns[column]
    changes = np.flatnonzero(np.diff(labels)) + 1
    parts = []
    for start, end in pairwise(sorted({*unit_borders(sample), *changes.tolist()})):
        label = "" if labels[start] == IGNORED else f"/{labels[start]}"
        parts.append(vocabulary.to_text(ids[start:end].tolist()) + label)
    return "|".join(parts)


def unit_borders(sample: SampleBlock) -> list[int]:
    """Where one sample's units begin, each special token by itself, and where the last ends."""
    codes = sample.columns["span_codes"]
    return [*np.flatnonzero((codes == BEGIN) | (codes == IGNORED)).tolist(), len(codes)]


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
