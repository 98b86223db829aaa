"""Shards: Arrow files of samples and a manifest, with one folder per task.

<folder>/manifest.json
<folder>/train/shard-00000.arrow ...
<folder>/validation/shard-00000.arrow ...
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ernie_paddle.checksums import read_sealed, write_sealed
from ernie_paddle.data.samples import SCHEMA, SampleBlock, ranges
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json

FORMAT_VERSION = 2
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
class Manifest:
    """The contents of a task's folder, and what they were built from.

    `origin` describes the build: version, settings, seed, digest of the corpora. `carried` names the token columns that
    hold labels. `label_counts` counts the values of `label` over both splits; `labels` names the classes in the order
    of their ids, if the builder names them. `counts` are the builder's counts of used and skipped documents.
    """

    task: str
    vocabulary_digest: str
    vocabulary_size: int
    max_length: int
    origin: dict[str, Any]
    carried: list[str]
    label_counts: dict[str, int]
    splits: dict[str, list[ShardInfo]]
    labels: list[str] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def save(self, folder: Path) -> None:
        """Write `manifest.json` with its checksum."""
        write_sealed(folder / MANIFEST, asdict(self))

    def count(self, split: str, what: str = "samples") -> int:
        return sum(getattr(shard, what) for shard in self.splits[split])

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
            shards = tree.pop("splits")
            return cls(**tree, splits={split: [ShardInfo(**shard) for shard in shards[split]] for split in SPLITS})
        except (TypeError, KeyError) as error:
            raise UserError(f"{path}: not a manifest of shards: {error}; build the shards again") from None


def task_folders(folder: Path) -> list[Path]:
    """Return the folder itself if it holds a task's samples, else its subfolders that do.

    Raises:
        UserError: there are none.
    """
    is_task = (folder / MANIFEST).is_file()
    folders = [folder] if is_task else sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    if not folders:
        raise UserError(f"{folder}: no {MANIFEST} in it or in its folders; name what ernie-paddle build wrote")
    return folders


class SampleTable:
    """Random access to samples by row number, in memory-mapped shards or blocks in memory."""

    def __init__(self, blocks: list[SampleBlock]):
        self._blocks = blocks
        self._first_row = np.concatenate([[0], np.cumsum([len(block) for block in blocks])]).astype(np.int64)
        self._offsets = [np.concatenate([[0], np.cumsum(block.lengths)]) for block in blocks]
        self.lengths = np.concatenate([block.lengths for block in blocks]) if blocks else np.empty(0, np.int64)

    @classmethod
    def open(cls, folder: Path, split: str) -> "SampleTable":
        """Map the shards of one split into memory.

        Raises:
            UserError: a shard is missing, has another size than in the manifest, or is not Arrow.
        """
        manifest = Manifest.load(folder)
        return cls([block for shard in manifest.splits[split] for block in read_shard(folder, shard)])

    def __len__(self) -> int:
        return int(self._first_row[-1])

    def take(self, rows: np.ndarray) -> SampleBlock:
        """Return the samples at these rows, in this order."""
        rows = np.asarray(rows, np.int64)
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        like = self._blocks[0]
        columns = {name: np.empty(starts[-1], column.dtype) for name, column in like.columns.items()}
        labels = np.empty((len(rows), *like.labels.shape[1:]), like.labels.dtype)
        block_of_row = np.searchsorted(self._first_row, rows, side="right") - 1
        for number in np.unique(block_of_row):
            chosen = np.flatnonzero(block_of_row == number)
            block, local = self._blocks[number], rows[chosen] - self._first_row[number]
            labels[chosen] = block.labels[local]
            source = ranges(self._offsets[number][local], lengths[chosen])
            target = ranges(starts[chosen], lengths[chosen])
            for name, column in columns.items():
                column[target] = block.columns[name][source]
        return SampleBlock(lengths, columns, labels)


def read_shard(folder: Path, shard: ShardInfo) -> list[SampleBlock]:
    """Map one file into memory.

    Raises:
        UserError: it is missing, has another size than in the manifest, or is not Arrow.
    """
    path = folder / shard.file
    try:
        size = path.stat().st_size
        if size != shard.bytes:
            raise UserError(
                f"{path}: {size} bytes, its manifest says {shard.bytes}; the shard is damaged, build it again"
            )
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if not reader.schema.equals(SCHEMA):
            raise UserError(f"{path}: columns differ from this program's; build the shards again")
        return [SampleBlock.from_arrow(reader.get_batch(i)) for i in range(reader.num_record_batches)]
    except FileNotFoundError:
        raise UserError(f"{path}: shard named in the manifest is missing; build it again") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: not a readable Arrow file ({error}); build it again") from None
