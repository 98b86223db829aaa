"""`ernie-paddle convert-samples`: samples of the original release to shards, and back."""

import argparse
from pathlib import Path

import numpy as np

from data_builders.composing import held_out
from data_builders.release_lines import read_blocks, write_lines
from ernie_paddle.arguments import share
from ernie_paddle.data.checking import open_checked
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import SPLITS, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import folder_written_whole
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.outputs import output_path
from ernie_paddle.registry import Command, Registry
from ernie_paddle.text.vocabulary import Vocabulary

TASK = "knowledge_masking"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="gzipped lines of the release, or a task's folder of shards")
    parser.add_argument(
        "--out", type=output_path, required=True, help=f"folder for {TASK}/ and vocab.txt, or .gz to write"
    )
    parser.add_argument("--vocab", type=Path, help="the vocabulary that the lines were made with")
    parser.add_argument("--validation-share", type=share, default=0.05, help="of the lines (default: 0.05)")
    parser.add_argument("--split", choices=SPLITS, default="train", help="of the shards (default: train)")


def run(args: argparse.Namespace, registry: Registry) -> None:
    if args.source.is_dir():
        if args.out.suffix != ".gz":
            raise UserError(f"--out {args.out}: shards become gzipped lines, name a file that ends in .gz")
        table = open_checked(args.source, args.split)
        write_lines(args.out, table)
        print(f"{args.out}: {len(table):,} samples")
        return
    if args.vocab is None:
        raise UserError(f"{args.source}: name the vocabulary that it was made with, --vocab vocab.txt")
    counts = to_shards(args.source, Vocabulary.load(args.vocab), args.out, args.validation_share)
    print(f"{args.out / TASK}: " + ", ".join(f"{count:,} {split}" for split, count in counts.items()) + " samples")


def to_shards(source: Path, vocabulary: Vocabulary, out: Path, validation_share: float) -> dict[str, int]:
    """Write lines of the release as samples of knowledge masking; equal lines fall into the same split.

    Raises:
        UserError: the lines cannot be read, or too few for both splits.
    """
    # Read twice, so that memory does not grow with the file.
    max_length = max((int(block.lengths.max()) for block in read_blocks(source, vocabulary)), default=0)
    origin = {"release_lines": source.name, "validation_share": validation_share}
    counts = dict.fromkeys(SPLITS, 0)
    with folder_written_whole(out / TASK) as beside:
        shards = ShardWriter(beside, TASK, vocabulary.digest, vocabulary.size, max_length, origin)
        for block in read_blocks(source, vocabulary):
            validation = held_out(_contents(block), validation_share, seed=1)
            for i, split in enumerate(SPLITS):
                rows = np.flatnonzero(validation == i)
                shards.write(split, SampleTable([block]).take(rows))
                counts[split] += len(rows)
        for split, count in counts.items():
            if not count:
                raise UserError(f"{source}: no line for {split}; give more lines or another --validation-share")
        shards.finish()
    vocabulary.save(out / "vocab.txt")
    return counts


def _contents(block: SampleBlock) -> np.ndarray:
    """A hash of each sample's token ids."""
    pieces = np.split(block.columns["input_ids"], np.cumsum(block.lengths)[:-1])
    return np.array([keyed_hash(piece.tobytes().hex()) for piece in pieces], np.int64)


COMMAND = Command(
    name="convert-samples",
    help="turn gzipped samples of the original release into shards of knowledge masking, or shards into such lines",
    example="ernie-paddle convert-samples demo_train_set.gz --vocab vocab.txt --out runs/release/shards\n"
    "  ernie-paddle convert-samples runs/release/shards/knowledge_masking --out samples.gz",
    configure=configure,
    run=run,
)
