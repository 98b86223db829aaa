"""Read access to the annotated documents of a corpus, which `store.py` writes."""

import mmap
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_builders.annotation.document import AnnotatedBlock, AnnotatedDocument
from ernie_paddle.checksums import read_sealed
from ernie_paddle.errors import UserError

JSON = "annotated.json"


@dataclass(frozen=True)
class CorpusCounts:
    """Statistics of an annotated corpus.

    Attributes:
        noted: dropped documents, skipped files and repaired lines, by reason.
        user_entries: words and names that the user listed for this language.
        not_found: those of them that do not occur in the corpus.
        examples: some of those that do not occur.
    """

    records: int
    documents: int
    sentences: int
    tokens: int
    unknown_tokens: int
    noted: dict[str, int]
    user_entries: int = 0
    not_found: int = 0
    examples: tuple[str, ...] = ()


class AnnotatedCorpus:
    """Random access to annotated documents in memory-mapped files.

    Attributes:
        contents, groups, second_text_hashes: the hashes of `AnnotatedBlock` [documents].
        sentence_counts: the number of sentences [documents].
        titled: whether a document has a title [documents].
    """

    def __init__(self, name: str, maps: list[mmap.mmap], origin: dict[str, Any], counts: CorpusCounts):
        self.name = name
        self.origin = origin
        self.counts = counts
        self._maps = maps
        batches: list[pa.RecordBatch] = []
        parts: list[tuple[np.ndarray, ...]] = []
        for mapped in maps:
            batches += (in_file := record_batches(mapped))
            parts += map(_per_document, in_file)
            mapped.madvise(mmap.MADV_DONTNEED)  # reading a little of each batch maps much of the file
        self._batches = batches
        self._first = np.concatenate([[0], np.cumsum([len(batch) for batch in batches])]).tolist()
        self.contents, self.groups, self.second_text_hashes, self.titled, self.sentence_counts = map(
            np.concatenate, zip(*parts, strict=True)
        )
        # The cached function must not refer to this object: a cycle would keep it alive until garbage is collected.
        self._block = lru_cache(maxsize=64)(lambda item: AnnotatedBlock.from_arrow(batches[item]))

    @classmethod
    def open(cls, folder: Path) -> "AnnotatedCorpus":
        """Open an annotated corpus, which is named after its folder.

        Raises:
            UserError: it is missing or visibly damaged; the documents themselves are not read.
        """
        tree = read_sealed(folder / JSON, "annotated corpus")
        try:
            maps = [map_file(path) for path in sorted(folder.glob("documents-*.arrow"))]
            return cls(folder.name, maps, tree["origin"], CorpusCounts(**tree["counts"]))
        except (OSError, ValueError, pa.ArrowInvalid, KeyError, TypeError) as error:
            raise UserError(f"{folder}: annotated documents are damaged ({error}); remove the folder") from None

    def __len__(self) -> int:
        return int(self._first[-1])

    @property
    def work_item_offsets(self) -> np.ndarray:
        """The number of each work item's first document, and the number of documents [work items + 1]."""
        return np.array(self._first)

    @property
    def work_items(self) -> int:
        """The number of work items, each of which is stored as one record batch."""
        return len(self._batches)

    def documents_of(self, work_item: int) -> Iterator[AnnotatedDocument]:
        """Yield the documents of a work item."""
        block, first = self._block(work_item), self._first[work_item]
        return (block.document(position, first + position) for position in range(len(block)))

    def document(self, index: int) -> AnnotatedDocument:
        """Return a document by its number."""
        item = bisect_right(self._first, index) - 1
        return self._block(item).document(index - self._first[item], index)

    def same_group(self, index: int) -> np.ndarray:
        """Return the numbers of all documents in the group of a document."""
        order, groups = self._by_group
        first, after = (int(np.searchsorted(groups, self.groups[index], side)) for side in ("left", "right"))
        return order[first:after]

    @cached_property
    def _by_group(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.groups, kind="stable")
        return order, self.groups[order]

    def release_pages(self) -> None:
        """Release the memory pages of the files; they are read again when they are needed."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)


def _per_document(batch: pa.RecordBatch) -> tuple[np.ndarray, ...]:
    """Copy the three hashes, whether there is a title, and the number of sentences, each [documents]."""
    return (
        batch.column("content").to_numpy().copy(),
        batch.column("group").to_numpy().copy(),
        batch.column("second_text").to_numpy().copy(),
        batch.column("title_length").to_numpy() > 0,
        np.diff(batch.column("sentence_lengths").offsets.to_numpy()),
    )


def map_file(path: Path) -> mmap.mmap:
    """Map a file into memory, read-only."""
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def record_batches(mapped: mmap.mmap) -> list[pa.RecordBatch]:
    """Return the record batches of a mapped file without copying them."""
    reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))
    return [reader.get_batch(number) for number in range(reader.num_record_batches)]
