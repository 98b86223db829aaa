"""Writing of shards, with their manifest at the end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from ernie_paddle.checksums import check_file
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import IGNORED, INPUT_IDS, Column
from ernie_paddle.data.shards import FORMAT_VERSION, SPLITS, CorpusInfo, Manifest, ShardInfo, StoredColumn
from ernie_paddle.data.storage import Storage
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, sha256_of

FEW_CLASSES = 1 << 16


@dataclass
class _SplitWriter:
    """Writes the samples of one split in order."""

    folder: Path
    split: str
    storage: Storage
    metadata: dict[str, str]
    shards: list[ShardInfo] = field(default_factory=list)
    corpora: list[CorpusInfo] = field(default_factory=list)
    pending: list[pa.RecordBatch] = field(default_factory=list)
    pending_samples: int = 0

    def begin(self, corpus: str) -> None:
        """Begin the samples of a corpus, unless they have begun already."""
        names = [begun.name for begun in self.corpora]
        if corpus in names[:-1]:
            raise ValueError(f"more samples of {corpus} after those of {names[-1]}; write one corpus after the other")
        if corpus not in names:
            self.corpora.append(CorpusInfo(corpus, 0, 0))

    def add(self, block: SampleBlock) -> None:
        """Add samples of the last corpus."""
        self.pending.append(self.storage.to_arrow(block))
        self.pending_samples += len(block)
        name, samples, tokens = astuple(self.corpora[-1])
        self.corpora[-1] = CorpusInfo(name, samples + len(block), tokens + int(block.lengths.sum()))

    def flush(self, samples: int) -> None:
        """Write the first pending samples to a file."""
        schema = self.storage.schema
        table = pa.Table.from_batches(self.pending, schema)
        batch = self.storage.compacted(table.slice(0, samples).combine_chunks().to_batches()[0])
        rest = table.slice(samples)
        self.pending, self.pending_samples = rest.to_batches(), rest.num_rows
        name = f"{self.split}/shard-{len(self.shards):05d}.arrow"
        path = self.folder / name
        with atomic_write(path, "wb") as file, pa.ipc.new_file(file, schema.with_metadata(self.metadata)) as writer:
            writer.write_batch(batch)
        tokens = len(batch.column(INPUT_IDS).flatten())
        self.shards.append(ShardInfo(name, samples, tokens, path.stat().st_size, sha256_of(path)))


class ShardWriter:
    """Writes the samples of a task, with a new file after every `samples_per_shard` samples of a split and each `cut`.

    The files depend only on the samples, their order and the cuts, not on the blocks they arrive in. They can be read
    after `finish`, which writes the manifest.
    """

    def __init__(
        self,
        folder: Path,
        task: str,
        vocabulary_digest: str,
        vocabulary_size: int,
        max_length: int,
        origin: dict[str, Any],
        columns: Sequence[Column],
        samples_per_shard: int = 65536,
    ):
        """`columns` are declared columns that every sample has; the order of the shards is theirs."""
        self._folder = folder
        self._task = task
        self._columns = tuple(columns)
        self._samples_per_shard = samples_per_shard
        self._counts: dict[str, Counter[str]] = {column.name: Counter() for column in columns}
        self._manifest: dict[str, Any] = {
            "task": task,
            "vocabulary_digest": vocabulary_digest,
            "vocabulary_size": vocabulary_size,
            "max_length": max_length,
            "origin": origin,
        }
        storage = Storage(self._columns, vocabulary_size)
        metadata = {"task": task, "vocabulary_digest": vocabulary_digest, "format_version": str(FORMAT_VERSION)}
        metadata |= {"columns": storage.metadata()} | {key: str(value) for key, value in origin.items()}
        self._splits = {split: _SplitWriter(folder, split, storage, metadata) for split in SPLITS}

    def write(self, split: str, corpus: str, block: SampleBlock) -> None:
        """Write samples of a corpus to a split, after all those of the corpora before it.

        Raises:
            UserError: the samples are not as their columns are declared.
            ValueError: samples of another corpus were written since the last ones of this corpus.
        """
        writer = self._splits[split]
        writer.begin(corpus)
        if not len(block):
            return
        try:
            writer.add(block)
        except ValueError as error:
            raise UserError(f"samples of {self._task}: {error}; mend their builder") from None
        for column in self._columns:
            self._counts[column.name].update(_value_counts(block.values(column)))
        while writer.pending_samples >= self._samples_per_shard:
            writer.flush(self._samples_per_shard)

    def cut(self) -> None:
        """Write pending samples, so that the next ones go to new files."""
        for writer in self._splits.values():
            if writer.pending_samples:
                writer.flush(writer.pending_samples)

    def state(self) -> dict[str, Any]:
        """Return what was written up to the last cut, for `restore` in another process."""
        splits = self._splits.items()
        return {
            "shards": {split: [asdict(shard) for shard in writer.shards] for split, writer in splits},
            "corpora": {split: [asdict(corpus) for corpus in writer.corpora] for split, writer in splits},
            "counts": {name: dict(counts) for name, counts in self._counts.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume after what another process wrote.

        Raises:
            UserError: one of its files is missing or damaged. The writer is unchanged.
        """
        shards = {split: [ShardInfo(**shard) for shard in state["shards"][split]] for split in self._splits}
        for shard in chain.from_iterable(shards.values()):
            check_file(self._folder / shard.file, shard.sha256)
        for split, writer in self._splits.items():
            writer.shards = shards[split]
            writer.corpora = [CorpusInfo(**corpus) for corpus in state["corpora"][split]]
        self._counts = {name: Counter(counts) for name, counts in state["counts"].items()}

    def manifest(self, counts: Mapping[str, Any] = MappingProxyType({})) -> Manifest:
        """Return the manifest of what was written, with these `counts`."""
        return Manifest(
            **self._manifest,
            columns=[
                StoredColumn(**asdict(column), counts=_sorted(self._counts[column.name])) for column in self._columns
            ],
            splits={split: writer.shards for split, writer in self._splits.items()},
            corpora={split: writer.corpora for split, writer in self._splits.items()},
            counts=dict(counts),
        )

    def finish(self, counts: Mapping[str, Any] = MappingProxyType({})) -> Manifest:
        """Write the pending samples and the manifest."""
        self.cut()
        manifest = self.manifest(counts)
        manifest.save(self._folder)
        return manifest


def _value_counts(values: np.ndarray) -> dict[str, int]:
    """Count values of -1 or more, as text."""
    if values.max() > FEW_CLASSES:
        found, counts = np.unique(values, return_counts=True)
    else:  # without sorting them
        by_value = np.bincount(values.astype(np.int64) - IGNORED)
        found = np.flatnonzero(by_value)
        found, counts = found + IGNORED, by_value[found]
    return dict(zip(map(str, found.tolist()), counts.tolist(), strict=True))


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts in the order of the values that they count."""
    return dict(sorted(counts.items(), key=lambda item: int(item[0])))
