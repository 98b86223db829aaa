"""Annotated documents on disk, one folder a corpus: written once, read by every builder.

<folder>/documents.arrow   record batches of documents, memory-mapped
<folder>/annotated.json    what they were made from, and counts
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_builders.annotation import annotator
from data_builders.annotation.annotator import Annotator
from data_builders.annotation.document import SCHEMA, AnnotatedBlock, AnnotatedDocument
from data_builders.documents import Document, Language, Record
from data_builders.readers.reader import NO_TEXT, Reader, no_documents, opened
from data_builders.workers import ordered_map
from ernie_paddle.errors import UserError
from ernie_paddle.files import folder_written_whole, read_json, sha256_of, write_json
from ernie_paddle.text.vocabulary import Vocabulary

CHARACTERS_PER_UNIT = 100_000  # raw characters of one unit of work and one record batch, at least
DUPLICATE = "duplicate"
ARROW, JSON = "documents.arrow", "annotated.json"


@dataclass(frozen=True)
class Source:
    """A raw corpus: where it is and how to read it."""

    name: str
    path: Path
    reader: Reader
    language: Language


@dataclass(frozen=True)
class Counts:
    """What became of a corpus. `dropped` counts documents by reason, `repaired` lines with bad UTF-8."""

    records: int
    documents: int
    sentences: int
    tokens: int
    unknown_tokens: int
    noted: dict[str, int]


def corpus_digest(source: Source, vocabulary: Vocabulary) -> dict[str, Any]:
    """All that annotated documents depend on; a cache with another one is of no use."""
    with opened(source.path):
        return {
            "corpus_bytes": source.path.stat().st_size,
            "corpus_sha256": sha256_of(source.path),
            "format": source.reader.name,
            "language": source.language,
            "vocabulary": vocabulary.digest,
            "annotation_version": annotator.VERSION,
            "characters_per_unit": CHARACTERS_PER_UNIT,
        }


@dataclass(frozen=True)
class AnnotateUnit:
    """The work of one worker: records in, annotated documents out."""

    source: Source
    annotator: Annotator

    def __call__(self, records: list[Record]) -> AnnotatedBlock:
        documents = [
            Document(record.id, paragraphs, self.source.language, self.source.name, record.title)
            for record in records
            if (paragraphs := self.source.reader.paragraphs(record.text))
        ]
        block = self.annotator.annotate(documents)
        return block.keep(block.sentence_counts > 0)


def annotate_corpus(
    source: Source, vocabulary: Vocabulary, folder: Path, workers: int, progress: Callable[[int], None]
) -> "AnnotatedCorpus":
    """The annotated documents of a corpus, made unless `folder` holds them already.

    Exact duplicates are dropped. `progress` is told how many bytes of the corpus have been read.

    Raises:
        UserError: the corpus cannot be read or holds no text.
    """
    origin = corpus_digest(source, vocabulary)
    if (folder / JSON).exists() and read_json(folder / JSON, "annotated corpus").get("origin") == origin:
        return AnnotatedCorpus.open(folder)
    seen: set[int] = set()
    tally: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    with opened(source.path) as file, folder_written_whole(folder) as beside:
        units = _units(source.reader.records(file, tally), totals)
        with pa.OSFile(str(beside / ARROW), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            for block in ordered_map(AnnotateUnit(source, Annotator(vocabulary, source.language)), units, workers):
                fresh = _first_seen(block.contents, seen)
                tally[DUPLICATE] += int((~fresh).sum())
                block = block if fresh.all() else block.keep(fresh)
                if len(block):
                    writer.write_batch(block.to_arrow())
                totals["documents"] += len(block)
                totals["sentences"] += len(block.sentence_lengths)
                totals["tokens"] += len(block.columns["input_ids"])
                totals["unknown_tokens"] += int((block.columns["input_ids"] == vocabulary.unk_id).sum())
                progress(file.tell())
        if not totals["documents"]:
            raise no_documents(source.path, source.reader)
        tally[NO_TEXT] = totals["records"] - totals["documents"] - tally[DUPLICATE]
        counts = Counts(**totals, noted={reason: n for reason, n in sorted(tally.items()) if n})
        write_json(beside / JSON, {"origin": origin, "counts": asdict(counts)})
    return AnnotatedCorpus.open(folder)


def _units(records: Iterable[Record], totals: Counter[str]) -> Iterator[list[Record]]:
    """Cut the stream of records into units of work by their size alone."""
    unit: list[Record] = []
    characters = 0
    totals["records"] = 0
    for record in records:
        unit.append(record)
        characters += len(record.text)
        totals["records"] += 1
        if characters >= CHARACTERS_PER_UNIT:
            yield unit
            unit, characters = [], 0
    if unit:
        yield unit


def _first_seen(contents: np.ndarray, seen: set[int]) -> np.ndarray:
    fresh = np.ones(len(contents), bool)
    for position, content in enumerate(contents.tolist()):
        fresh[position] = content not in seen
        seen.add(content)
    return fresh


class AnnotatedCorpus:
    """Random access to annotated documents in a memory-mapped file.

    `contents` [documents] are the hashes of their text, `sentence_counts` [documents].
    """

    def __init__(self, name: str, batches: list[pa.RecordBatch], origin: dict[str, Any], counts: Counts):
        self.name = name
        self.origin = origin
        self.counts = counts
        self._batches = batches
        self._first = np.concatenate([[0], np.cumsum([len(batch) for batch in batches])]).tolist()
        self.contents = np.concatenate([batch.column("content").to_numpy() for batch in batches])
        self.sentence_counts = np.concatenate(
            [np.diff(batch.column("sentence_lengths").offsets.to_numpy()) for batch in batches]
        )
        self._block = lru_cache(maxsize=64)(lambda unit: AnnotatedBlock.from_arrow(self._batches[unit]))

    @classmethod
    def open(cls, folder: Path) -> "AnnotatedCorpus":
        """Map an annotated corpus; its name is the folder's.

        Raises:
            UserError: missing or damaged.
        """
        tree = read_json(folder / JSON, "annotated corpus")
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(folder / ARROW)))
            batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
            return cls(folder.name, batches, tree["origin"], Counts(**tree["counts"]))
        except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
            raise UserError(f"{folder}: annotated documents are damaged ({error}); remove the folder") from None

    def __len__(self) -> int:
        return int(self._first[-1])

    @property
    def units(self) -> int:
        """How many units of work the corpus is stored in."""
        return len(self._batches)

    def unit(self, number: int) -> Iterator[AnnotatedDocument]:
        """The documents of one unit."""
        for index in range(self._first[number], self._first[number + 1]):
            yield self.document(index)

    def document(self, index: int) -> AnnotatedDocument:
        """One document by its number."""
        unit = bisect_right(self._first, index) - 1
        return self._block(unit).document(index - self._first[unit], index)
