"""`ernie-paddle convert-samples`: samples of the original release to shards and back."""

import argparse
from pathlib import Path

import numpy as np

from data_builders.composing import validation_mask
from data_builders.release_lines import COLUMNS, read_blocks, write_lines
from ernie_paddle.arguments import share
from ernie_paddle.data.checking import open_checked
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import INPUT_IDS
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import SPLITS, Manifest
from ernie_paddle.data.spans import BI_TAGS
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_folder
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.outputs import check_empty, output_path
from ernie_paddle.registry import Command, Registry
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

TASK, CORPUS = "knowledge_masking", "release"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="gzipped lines of the release, or the shards of a task")
    parser.add_argument(
        "--out", type=output_path, required=True, help=f"folder for {TASK}/ and vocab.txt, or file that ends in .gz"
    )
    parser.add_argument("--vocab", type=Path, help="vocabulary of the lines")
    parser.add_argument(
        "--validation-share", type=share, default=0.05, help="share of the lines for validation (default: 0.05)"
    )
    parser.add_argument(
        "--split", choices=SPLITS, default="train", help="split of the shards to write as lines (default: train)"
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    if args.source.is_dir():
        if args.out.suffix != ".gz":
            raise UserError(f"--out {args.out}: shards are written as gzipped lines; name a file that ends in .gz")
        table = open_checked(args.source, args.split)
        if Manifest.load(args.source).column(BI_TAGS.name) is None:
            raise UserError(f"{args.source}: its samples have no column '{BI_TAGS.name}', which the lines need")
        write_lines(args.out, table)
        print(f"{args.out}: {len(table):,} samples")
        return
    if args.vocab is None:
        raise UserError(f"{args.source}: name its vocabulary with --vocab vocab.txt")
    counts = to_shards(args.source, Vocabulary.load(args.vocab), args.out, args.validation_share)
    print(f"{args.out / TASK}: " + ", ".join(f"{count:,} {split}" for split, count in counts.items()) + " samples")


def to_shards(source: Path, vocabulary: Vocabulary, out: Path, validation_share: float) -> dict[str, int]:
    """Write lines of the release as shards of knowledge masking; equal lines are in the same split.

    Returns:
        the number of samples by split.

    Raises:
        UserError: the lines cannot be read, or a split is empty.
    """
    check_empty(out / TASK)
    # The lines are read twice, so that memory does not grow with the file.
    max_length = max((int(block.lengths.max()) for block in read_blocks(source, vocabulary)), default=0)
    origin = {"release_lines": source.name, "validation_share": validation_share}
    counts = dict.fromkeys(SPLITS, 0)
    with atomic_folder(out / TASK) as partial:
        shards = ShardWriter(partial, TASK, vocabulary.digest, vocabulary.size, max_length, origin, COLUMNS)
        for block in read_blocks(source, vocabulary):
            in_validation = validation_mask(_contents(block), validation_share, seed=1)
            for i, split in enumerate(SPLITS):
                rows = np.flatnonzero(in_validation == i)
                shards.write(split, CORPUS, block.take(rows))
                counts[split] += len(rows)
        for split, count in counts.items():
            if not count:
                raise UserError(f"{source}: no line for {split}; add lines or change --validation-share")
        shards.finish()
    vocabulary.save(out / VOCABULARY_FILE)
    return counts


def _contents(block: SampleBlock) -> np.ndarray:
    """Return a hash of each sample's token ids [samples]."""
    pieces = np.split(block.columns[INPUT_IDS], np.cumsum(block.lengths)[:-1])
    return np.array([keyed_hash(piece.tobytes().hex()) for piece in pieces], np.int64)


COMMAND = Command(
    name="convert-samples",
    help="convert gzipped samples of the original release to shards of knowledge masking, or shards to gzipped samples",
    example="ernie-paddle convert-samples demo_train_set.gz --vocab vocab.txt --out runs/release/shards\n"
    "  ernie-paddle convert-samples runs/release/shards/knowledge_masking --out samples.gz",
    configure=configure,
    run=run,
)
