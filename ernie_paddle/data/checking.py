"""A full check of shards: checksums, counts and the range of every value."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import IGNORED, INPUT_IDS
from ernie_paddle.data.shards import Manifest, SampleTable, ShardInfo, read_shard
from ernie_paddle.data.storage import StoredBlock
from ernie_paddle.errors import UserError
from ernie_paddle.files import sha256_of
from ernie_paddle.ranks import Ranks
from ernie_paddle.text.vocabulary import TOKENIZER_CONFIG, VOCABULARY_FILE, Vocabulary

MIN_LENGTH = 3  # [CLS], a token, [SEP]
ROWS_AT_ONCE = 1024  # unpacked together, so that memory does not grow with the shard


def check_shards(folder: Path, vocabulary: Vocabulary, ranks: Ranks | None = None) -> Manifest:
    """Check every value of a task's shards, or of this process's share of them, at some 200 MB/s.

    Raises:
        UserError: a shard is wrong; the message names the file, row and column of the first error.
    """
    manifest = Manifest.load(folder)
    check_vocabulary(folder, manifest, vocabulary)
    for shard in (ranks or Ranks()).share([shard for shards in manifest.splits.values() for shard in shards]):
        _check_shard(folder, shard, manifest, vocabulary)
    return manifest


def check_vocabulary(folder: Path, manifest: Manifest, vocabulary: Vocabulary) -> None:
    """Raise a `UserError` if shards were built with another vocabulary."""
    if manifest.vocabulary_digest == vocabulary.digest:
        return
    other_case = replace(vocabulary, lower_case=not vocabulary.lower_case)
    if manifest.vocabulary_digest == other_case.digest:
        raise UserError(
            f"{folder}: built with a {other_case.case} vocabulary of the same tokens, this one is {vocabulary.case}; "
            f"build the shards again, or use their {VOCABULARY_FILE} with the {TOKENIZER_CONFIG} beside it"
        )
    raise UserError(
        f"{folder}: built with another vocabulary ({manifest.vocabulary_size} entries, "
        f"this one has {vocabulary.size}); build the shards again or use their vocabulary"
    )


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
    blocks = read_shard(folder, shard, manifest.storage)
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


def _check_block(path: Path, first_row: int, block: StoredBlock, manifest: Manifest, vocabulary: Vocabulary) -> None:
    _check_range(f"{path} row", first_row, "length", block.lengths, MIN_LENGTH, manifest.max_length)
    for start in range(0, len(block), ROWS_AT_ONCE):
        samples = block.take(np.arange(start, min(start + ROWS_AT_ONCE, len(block))))
        _check_samples(path, first_row + start, samples, manifest, vocabulary)


def _check_samples(
    path: Path, first_row: int, samples: SampleBlock, manifest: Manifest, vocabulary: Vocabulary
) -> None:
    ends = np.cumsum(samples.lengths)
    ranges = {INPUT_IDS: (0, vocabulary.size - 1)}
    ranges |= {column.name: (IGNORED, column.maximum) for column in manifest.columns}
    for name, (minimum, maximum) in ranges.items():
        is_token_column = name in samples.columns
        values = samples.columns[name] if is_token_column else samples.sample_columns[name]
        _check_range(f"{path} row", first_row, name, values, minimum, maximum, ends if is_token_column else None)


def _check_range(
    where: str,
    first_row: int,
    name: str,
    values: np.ndarray,
    minimum: int,
    maximum: int,
    ends: np.ndarray | None = None,
) -> None:
    """Raise a `UserError` for the first value out of range; `ends` are the ends of samples in a token-level column."""
    wrong = np.flatnonzero((values < minimum) | (values > maximum))
    if len(wrong):
        index = int(wrong[0])
        row = index if ends is None else int(np.searchsorted(ends, index, side="right"))
        raise UserError(f"{where} {first_row + row} column {name}: {values[index]}, expected {minimum} to {maximum}")
