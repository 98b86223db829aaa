"""Shards: Arrow files of samples and a manifest, with one folder per task; `storage.py` describes the files.

<folder>/manifest.json
<folder>/train/shard-00000.arrow ...
<folder>/validation/shard-00000.arrow ...
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ernie_paddle.checksums import read_sealed, write_sealed
from ernie_paddle.data.samples import SampleBlock, joined
from ernie_paddle.data.schema import IGNORED, Column
from ernie_paddle.data.storage import Storage, StoredBlock
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json

FORMAT_VERSION = 4
MANIFEST = "manifest.json"
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class ShardInfo:
    """An Arrow file: its path relative to the task's folder, its contents and its checksum."""

    file: str
    samples: int
    tokens: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class CorpusInfo:
    """A corpus of a split: its name, and its samples, which stand together, with their tokens."""

    name: str
    samples: int
    tokens: int


@dataclass(frozen=True)
class StoredColumn(Column):
    """A declared column, and how often each of its values occurs in both splits, as text."""

    counts: dict[str, int] = field(default_factory=dict)

    @property
    def has_labels(self) -> bool:
        """Whether any value is a class id."""
        return any(count for value, count in self.counts.items() if value != str(IGNORED))

    @property
    def declaration(self) -> Column:
        return Column(self.name, self.level, self.labels, self.dtype)


@dataclass(frozen=True)
class Manifest:
    """The contents of a task's folder, and what they were built from.

    `origin` describes the build: version, settings, seed, digest of the corpora. `columns` are the samples' columns
    besides token ids and sentence ids. `corpora` are those of each split, in the order in which their samples stand.
    `counts` are the builder's counts of used and skipped documents.

    Raises:
        ValueError: a corpus is named twice, or the samples of the corpora are not as many as those of the files.
    """

    task: str
    vocabulary_digest: str
    vocabulary_size: int
    max_length: int
    origin: dict[str, Any]
    columns: list[StoredColumn]
    splits: dict[str, list[ShardInfo]]
    corpora: dict[str, list[CorpusInfo]]
    counts: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        for split, corpora in self.corpora.items():
            names = [corpus.name for corpus in corpora]
            if len({*names}) < len(names):
                raise ValueError(f"a corpus of {split} is named twice: {', '.join(names)}")
            for what in ("samples", "tokens"):
                count = sum(getattr(corpus, what) for corpus in corpora)
                if count != self.count(split, what):
                    raise ValueError(
                        f"the corpora of {split} have {count:,} {what}, its files {self.count(split, what):,}"
                    )

    def save(self, folder: Path) -> None:
        """Write `manifest.json` with its checksum."""
        write_sealed(folder / MANIFEST, asdict(self))

    @property
    def storage(self) -> Storage:
        return Storage([column.declaration for column in self.columns], self.vocabulary_size)

    @property
    def label_columns(self) -> frozenset[str]:
        """The names of the columns in which any sample or token has a label."""
        return frozenset(column.name for column in self.columns if column.has_labels)

    def column(self, name: str) -> StoredColumn | None:
        """Return the column of this name, None if the samples have none."""
        return next((column for column in self.columns if column.name == name), None)

    def count(self, split: str, what: str = "samples") -> int:
        return sum(getattr(shard, what) for shard in self.splits[split])

    def samples_by_corpus(self, split: str) -> dict[str, int]:
        """Return the number of samples of each corpus of a split, in the order of the samples."""
        return {corpus.name: corpus.samples for corpus in self.corpora[split]}

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read `manifest.json`.

        Raises:
            UserError: missing, unreadable, of another format version or changed since it was written.
        """
        path = folder / MANIFEST
        version = read_json(path, "manifest of the shards").get("format_version")
        if version != FORMAT_VERSION:
            raise UserError(
                f"{path}: format version {version}, this program reads {FORMAT_VERSION}; build the shards again"
            )
        try:
            tree = read_sealed(path, "manifest of the shards")
        except UserError as error:
            raise UserError(f"{error}; build the shards again") from None
        try:
            shards, columns, corpora = (tree.pop(key) for key in ("splits", "columns", "corpora"))
            return cls(
                **tree,
                columns=[StoredColumn(**column) for column in columns],
                splits={split: [ShardInfo(**shard) for shard in shards[split]] for split in SPLITS},
                corpora={split: [CorpusInfo(**corpus) for corpus in corpora[split]] for split in SPLITS},
            )
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(f"{path}: not a manifest of shards: {error}; build the shards again") from None


def task_folders(folder: Path) -> list[Path]:
    """Return the folder itself if it holds a task's samples, else its subfolders that do.

    Raises:
        UserError: there are none.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name what ernie-paddle build wrote")
    is_task = (folder / MANIFEST).is_file()
    folders = [folder] if is_task else sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    if not folders:
        raise UserError(f"{folder}: no {MANIFEST} in it or in its folders; name what ernie-paddle build wrote")
    return folders


class SampleTable:
    """Random access to samples by row number, in memory-mapped shards or blocks in memory."""

    def __init__(self, blocks: Sequence[SampleBlock | StoredBlock]):
        self._blocks = blocks
        self._first_row = np.concatenate([[0], np.cumsum([len(block) for block in blocks])]).astype(np.int64)
        self.lengths = np.concatenate([block.lengths for block in blocks]) if blocks else np.empty(0, np.int64)

    @classmethod
    def open(cls, folder: Path, split: str) -> "SampleTable":
        """Map the shards of one split into memory.

        Raises:
            UserError: a shard is missing, has another size than in the manifest, or is not Arrow.
        """
        manifest = Manifest.load(folder)
        return cls([block for shard in manifest.splits[split] for block in read_shard(folder, shard, manifest.storage)])

    @classmethod
    def joined(cls, tables: Sequence["SampleTable"]) -> "SampleTable":
        """Return the samples of tables with the same columns, one table after the other."""
        return cls([block for table in tables for block in table._blocks])

    def __len__(self) -> int:
        return int(self._first_row[-1])

    @property
    def most_segments(self) -> int:
        """The greatest number of segments of a sample."""
        return max((block.most_segments for block in self._blocks), default=0)

    def take(self, rows: np.ndarray) -> SampleBlock:
        """Return the samples at these rows, in this order."""
        rows = np.asarray(rows, np.int64)
        block_of_row = np.searchsorted(self._first_row, rows, side="right") - 1
        numbers = np.unique(block_of_row).tolist() or [0]
        chosen = [np.flatnonzero(block_of_row == number) for number in numbers]
        parts = [
            self._blocks[number].parts(rows[positions] - self._first_row[number])
            for number, positions in zip(numbers, chosen, strict=True)
        ]
        return self._blocks[0].unpacked(parts[0] if len(parts) == 1 else joined(parts, np.concatenate(chosen)))


def read_shard(folder: Path, shard: ShardInfo, storage: Storage) -> list[StoredBlock]:
    """Map one file into memory.

    Raises:
        UserError: it is missing, has another size or other columns than in the manifest, or is not Arrow.
    """
    path = folder / shard.file
    try:
        size = path.stat().st_size
        if size != shard.bytes:
            raise UserError(
                f"{path}: {size} bytes, its manifest says {shard.bytes}; the shard is damaged, build it again"
            )
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if not reader.schema.equals(storage.schema):
            raise UserError(f"{path}: its columns are not those of its manifest; build it again")
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        for batch in batches:
            batch.validate(full=True)  # Arrow itself ends the process when it meets wrong offsets
        blocks = [StoredBlock(storage, batch) for batch in batches]
        if not all(block.is_consistent for block in blocks):
            raise UserError(f"{path}: its columns differ in length; build it again")
        return blocks
    except FileNotFoundError:
        raise UserError(f"{path}: shard named in the manifest is missing; build it again") from None
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable Arrow file ({reason}); build it again") from None
