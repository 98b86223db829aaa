"""A full check of shards: checksums, counts and the range of every value."""

from pathlib import Path

import numpy as np

from ernie_paddle.data.samples import IGNORED, LABEL_COLUMN, NAMED_ENTITY, SampleBlock
from ernie_paddle.data.shards import Manifest, SampleTable, ShardInfo, read_shard
from ernie_paddle.errors import UserError
from ernie_paddle.files import sha256_of
from ernie_paddle.ranks import Ranks
from ernie_paddle.text.vocabulary import Vocabulary

MAX_SENTENCE_ID = 3  # the release's models have four sentence types
MIN_LENGTH = 3  # [CLS], a token, [SEP]


def check_shards(folder: Path, vocabulary: Vocabulary, ranks: Ranks | None = None) -> Manifest:
    """Check every value of a task's shards, or of this process's share of them, at some 300 MB/s.

    Raises:
        UserError: a shard is wrong; the message names the file, row and column of the first error.
    """
    manifest = Manifest.load(folder)
    if manifest.vocabulary_digest != vocabulary.digest:
        raise UserError(
            f"{folder}: built with another vocabulary ({manifest.vocabulary_size} entries, "
            f"this one has {vocabulary.size}); build the shards again or use their vocabulary"
        )
    for shard in (ranks or Ranks()).share([shard for shards in manifest.splits.values() for shard in shards]):
        _check_shard(folder, shard, manifest, vocabulary)
    return manifest


def open_checked(folder: Path, split: str) -> SampleTable:
    """Open the shards of one split after a check of their checksums, but not of their values.

    Raises:
        UserError: the manifest or a shard is missing or damaged.
    """
    for shard in Manifest.load(folder).splits[split]:
        _check_bytes(folder, shard)
    return SampleTable.open(folder, split)


def _check_bytes(folder: Path, shard: ShardInfo) -> None:
    path = folder / shard.file
    if path.is_file() and path.stat().st_size == shard.bytes and sha256_of(path) != shard.sha256:
        raise UserError(f"{path}: damaged or changed since it was written (checksum); build it again")


def _check_shard(folder: Path, shard: ShardInfo, manifest: Manifest, vocabulary: Vocabulary) -> None:
    path = folder / shard.file
    _check_bytes(folder, shard)
    blocks = read_shard(folder, shard)
    first_row = 0
    for block in blocks:
        _check_block(path, first_row, block, manifest, vocabulary)
        first_row += len(block)
    tokens = sum(int(block.lengths.sum()) for block in blocks)
    if (first_row, tokens) != (shard.samples, shard.tokens):
        raise UserError(
            f"{path}: {first_row:,} samples with {tokens:,} tokens, its manifest says {shard.samples:,} "
            f"with {shard.tokens:,}"
        )


def _check_block(path: Path, first_row: int, block: SampleBlock, manifest: Manifest, vocabulary: Vocabulary) -> None:
    max_label = len(manifest.labels) - 1 if manifest.labels else np.iinfo(np.int16).max
    ranges = {
        "length": (block.lengths, MIN_LENGTH, manifest.max_length),
        LABEL_COLUMN: (block.labels, IGNORED, max_label),
        "input_ids": (block.columns["input_ids"], 0, vocabulary.size - 1),
        "sentence_ids": (block.columns["sentence_ids"], 0, MAX_SENTENCE_ID),
        "span_kinds": (block.columns["span_kinds"], IGNORED, NAMED_ENTITY),
    }
    ranges |= {name: (block.columns[name], IGNORED, 1) for name in ("bi_tags", "capitalization", "token_document")}
    ends = np.cumsum(block.lengths)
    for column, (values, minimum, maximum) in ranges.items():
        wrong = np.flatnonzero((values < minimum) | (values > maximum))
        if len(wrong):
            index = int(wrong[0])
            row = index if column in ("length", LABEL_COLUMN) else int(np.searchsorted(ends, index, side="right"))
            raise UserError(
                f"{path} row {first_row + row} column {column}: {values[index]}, expected {minimum} to {maximum}"
            )
