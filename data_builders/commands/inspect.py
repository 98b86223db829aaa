"""`ernie-paddle inspect`."""

import argparse
from pathlib import Path

import numpy as np

from ernie_paddle.data.samples import BEGIN, IGNORED, NAMED_ENTITY, SampleBlock
from ernie_paddle.data.shards import SPLITS, Manifest, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.registry import Command, Registry
from ernie_paddle.text.vocabulary import Vocabulary


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a task's folder, as runs/quickstart/shards/sentence_distance")
    parser.add_argument("--n", type=int, default=3, help="samples to show (default: 3)")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--vocab", type=Path, help="vocab.txt (default: the one beside the folder)")


def run(args: argparse.Namespace, registry: Registry) -> None:
    manifest = Manifest.load(args.folder)
    vocabulary = Vocabulary.load(args.vocab or args.folder.parent / "vocab.txt")
    if vocabulary.digest != manifest.vocabulary_digest:
        raise UserError(f"{args.folder}: built with another vocabulary; name it with --vocab")
    table = SampleTable.open(args.folder, args.split)
    print(f"{manifest.task}, {args.split}: {len(table):,} samples, carrying {', '.join(manifest.carried)}")
    for row in range(min(args.n, len(table))):
        print(f"\n{row}: {described(table.take(np.array([row])), vocabulary)}")


def described(sample: SampleBlock, vocabulary: Vocabulary) -> str:
    """One sample as text: units that are masked whole between bars, named entities starred, then the label."""
    columns = sample.columns
    codes, ids = columns["span_codes"], columns["input_ids"]
    borders = np.flatnonzero((codes == BEGIN) | (codes == IGNORED)).tolist()
    units = []
    for start, end in zip(borders, [*borders[1:], len(ids)], strict=True):
        star = "*" if columns["span_kinds"][start] == NAMED_ENTITY else ""
        units.append(star + vocabulary.to_text(ids[start:end].tolist()))
    label = "" if sample.labels[0] == IGNORED else f"   label {sample.labels[0]}"
    return "|".join(units) + label


COMMAND = Command(
    name="inspect",
    help="show samples of a task as text with their units and labels",
    example="ernie-paddle inspect runs/quickstart/shards/sentence_distance --n 3",
    configure=configure,
    run=run,
)
