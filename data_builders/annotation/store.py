"""Annotated documents on disk, one folder a corpus: written once, read by every builder.

<folder>/documents-00000.arrow ...   record batches of documents, memory-mapped
<folder>/documents-00000.json ...    what is in each file, and its checksum
<folder>/phrases.txt                 the phrases mined from the corpus, if any
<folder>/annotated.json              what they were made from, counts and checksums
"""

import mmap
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_builders.annotation import annotator
from data_builders.annotation.annotator import Annotator
from data_builders.annotation.document import SCHEMA, AnnotatedBlock, AnnotatedDocument
from data_builders.annotation.settings import SpanSettings
from data_builders.documents import Record
from data_builders.readers.files import digest
from data_builders.readers.reader import NO_TEXT, Source
from data_builders.resumable import read_record, resumable_folder, unless_damaged
from data_builders.workers import Engine
from ernie_paddle.checksums import check_file, read_sealed, write_sealed
from ernie_paddle.errors import UserError
from ernie_paddle.files import sha256_of, written_whole
from ernie_paddle.text.vocabulary import Vocabulary

CHARACTERS_PER_UNIT = 100_000  # raw characters of one unit of work and one record batch, at least
UNITS_PER_FILE = 16
DUPLICATE = "duplicate"
EXAMPLES = 5  # of words and names that were not met
JSON = "annotated.json"
CHECKSUM = "documents_sha256"
PHRASES = "phrases.txt"


@dataclass(frozen=True)
class Counts:
    """What became of a corpus. `noted` counts documents dropped and lines repaired, by reason.

    Of the words and names `given` by the user, `unmet` stand nowhere in it; `examples` are some of those.
    """

    records: int
    documents: int
    sentences: int
    tokens: int
    unknown_tokens: int
    noted: dict[str, int]
    given: int = 0
    unmet: int = 0
    examples: tuple[str, ...] = ()


def corpus_origin(source: Source, spans: SpanSettings, vocabulary: Vocabulary) -> dict[str, Any]:
    """All that annotated documents depend on; a cache with another one is of no use."""
    size, sha256 = digest(source.files)
    return {
        "corpus_bytes": size,
        "corpus_sha256": sha256,
        "format": source.reader.name,
        "encoding": source.encoding,
        "variant": source.reader.variant,
        "language": source.language,
        "vocabulary": vocabulary.digest,
        "spans": spans.origin(source),
        "annotation_version": annotator.VERSION,
        "characters_per_unit": CHARACTERS_PER_UNIT,
    }


@dataclass(frozen=True)
class AnnotateUnit:
    """The work of one worker: records in, annotated documents out."""

    source: Source
    annotator: Annotator

    def __call__(self, records: list[Record]) -> AnnotatedBlock:
        documents = [document for record in records if (document := self.source.document(record)) is not None]
        block = self.annotator.annotate(documents)
        return block.keep(block.sentence_counts > 0)


def annotate_corpus(
    source: Source,
    spans: SpanSettings,
    vocabulary: Vocabulary,
    folder: Path,
    engine: Engine,
    progress: Callable[[int], None],
) -> "AnnotatedCorpus":
    """The annotated documents of a corpus, made unless `folder` holds them already and whole.

    Exact duplicates are dropped. `progress` is told how many bytes of the corpus have been read. Files that an
    interrupted try finished are kept.

    Raises:
        UserError: the corpus cannot be read or holds no text.
    """
    origin = corpus_origin(source, spans, vocabulary)
    if unless_damaged(_is_made, folder, origin):
        return AnnotatedCorpus.open(folder)
    with resumable_folder(folder, origin) as beside:
        maker = spans.annotator(source, vocabulary)
        if maker.english_spans.phrases:
            with written_whole(beside / PHRASES) as file:
                file.writelines(f"{' '.join(words)}\n" for words in maker.english_spans.phrases)
        counts = _annotate(AnnotateUnit(source, maker), vocabulary, beside, engine, progress)
        records = sorted(beside.glob("documents-*.json"))
        sums = {record.with_suffix(".arrow").name: read_sealed(record, "record")[CHECKSUM] for record in records}
        write_sealed(beside / JSON, {"origin": origin, "counts": asdict(counts), "files": sums})
    return AnnotatedCorpus.open(folder)


def _is_made(folder: Path, origin: dict[str, Any]) -> bool:
    """Are the annotated documents of this origin there? A `UserError` if they are damaged."""
    made = read_record(folder / JSON)
    if made is None or made["origin"] != origin:
        return False
    for name, sha256 in made["files"].items():
        check_file(folder / name, sha256)
    return True


def _read_file_record(record: Path) -> dict[str, Any] | None:
    """Read the record of a file with documents, None if there is none. A `UserError` if one of both is damaged."""
    kept = read_record(record)
    if kept is not None:
        check_file(record.with_suffix(".arrow"), kept[CHECKSUM])
    return kept


def _annotate(
    work: AnnotateUnit, vocabulary: Vocabulary, folder: Path, engine: Engine, progress: Callable[[int], None]
) -> Counts:
    """Write the files that are not there yet."""
    tally = Counter(work.source.found.skipped)
    totals: Counter[str] = Counter()
    read = _Position()
    units = _units(work.source.records(tally, read.move), totals)
    seen: set[int] = set()
    met: set[str] = set()
    files = 0
    while kept := unless_damaged(_read_file_record, record := folder / f"documents-{files:05d}.json"):
        totals.update(kept["counts"])
        met.update(kept["met"])
        for batch in _mapped_batches(_mapped(record.with_suffix(".arrow"))):
            seen.update(batch.column("content").to_pylist())
        for _ in islice(units, UNITS_PER_FILE):
            progress(read.bytes)
        files += 1
    blocks = engine.map(work, units)
    for first in blocks:
        path = folder / f"documents-{files:05d}.arrow"
        in_file: Counter[str] = Counter()
        met_in_file: set[str] = set()
        with written_whole(path, "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            for block in chain([first], islice(blocks, UNITS_PER_FILE - 1)):
                fresh = _first_seen(block.contents, seen)
                in_file[DUPLICATE] += int((~fresh).sum())
                block = block if fresh.all() else block.keep(fresh)
                if len(block):
                    writer.write_batch(block.to_arrow())
                in_file.update(_counted(block, vocabulary))
                met_in_file |= block.met
                progress(read.bytes)
        noted = {"counts": in_file, "met": sorted(met_in_file), CHECKSUM: sha256_of(path)}
        write_sealed(path.with_suffix(".json"), noted)
        totals += in_file
        met |= met_in_file
        files += 1
    if not totals["documents"]:
        raise work.source.without_text()
    duplicates = totals.pop(DUPLICATE, 0)
    tally[DUPLICATE] = duplicates
    tally[NO_TEXT] = totals["records"] - totals["documents"] - duplicates
    names = ("records", "documents", "sentences", "tokens", "unknown_tokens")
    unmet = sorted(work.annotator.spans.given - met)
    return Counts(
        **{name: totals[name] for name in names},
        noted={why: n for why, n in sorted(tally.items()) if n},
        given=len(work.annotator.spans.given),
        unmet=len(unmet),
        examples=tuple(unmet[:EXAMPLES]),
    )


@dataclass
class _Position:
    """How far a corpus has been read."""

    bytes: int = 0

    def move(self, place: int) -> None:
        self.bytes = place


def _counted(block: AnnotatedBlock, vocabulary: Vocabulary) -> dict[str, int]:
    return {
        "documents": len(block),
        "sentences": len(block.sentence_lengths),
        "tokens": len(block.columns["input_ids"]),
        "unknown_tokens": int((block.columns["input_ids"] == vocabulary.unk_id).sum()),
    }


def _units(records: Iterable[Record], totals: Counter[str]) -> Iterator[list[Record]]:
    """Cut the stream of records into units of work by their size alone."""
    unit: list[Record] = []
    characters = 0
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
    """Random access to annotated documents in memory-mapped files.

    `contents`, `groups` and `seconds` [documents] are the hashes of `AnnotatedBlock`, `sentence_counts` [documents] the
    numbers of sentences, `titled` [documents] tells which have a title.
    """

    def __init__(self, name: str, maps: list[mmap.mmap], origin: dict[str, Any], counts: Counts):
        self.name = name
        self.origin = origin
        self.counts = counts
        self._maps = maps
        batches: list[pa.RecordBatch] = []
        parts: list[tuple[np.ndarray, ...]] = []
        for mapped in maps:
            batches += (of_file := _mapped_batches(mapped))
            parts += map(_per_document, of_file)
            mapped.madvise(mmap.MADV_DONTNEED)  # reading a little of each batch maps much of the file
        self._batches = batches
        self._first = np.concatenate([[0], np.cumsum([len(batch) for batch in batches])]).tolist()
        self.contents, self.groups, self.seconds, self.titled, self.sentence_counts = map(
            np.concatenate, zip(*parts, strict=True)
        )
        # The cache must not refer to this object: without a cycle it is freed when the last user is done.
        self._block = lru_cache(maxsize=64)(lambda unit: AnnotatedBlock.from_arrow(batches[unit]))

    @classmethod
    def open(cls, folder: Path) -> "AnnotatedCorpus":
        """Map an annotated corpus; its name is the folder's.

        Raises:
            UserError: missing or damaged, as far as this shows without reading all of it.
        """
        tree = read_sealed(folder / JSON, "annotated corpus")
        try:
            maps = [_mapped(path) for path in sorted(folder.glob("documents-*.arrow"))]
            return cls(folder.name, maps, tree["origin"], Counts(**tree["counts"]))
        except (OSError, ValueError, pa.ArrowInvalid, KeyError, TypeError) as error:
            raise UserError(f"{folder}: annotated documents are damaged ({error}); remove the folder") from None

    def __len__(self) -> int:
        return int(self._first[-1])

    @property
    def unit_borders(self) -> np.ndarray:
        """The number of each unit's first document, and of the one after the last [units + 1]."""
        return np.array(self._first)

    @property
    def units(self) -> int:
        """How many units of work the corpus is stored in."""
        return len(self._batches)

    def unit(self, number: int) -> Iterator[AnnotatedDocument]:
        """The documents of one unit."""
        block, first = self._block(number), self._first[number]
        return (block.document(position, first + position) for position in range(len(block)))

    def document(self, index: int) -> AnnotatedDocument:
        """One document by its number."""
        unit = bisect_right(self._first, index) - 1
        return self._block(unit).document(index - self._first[unit], index)

    def alike(self, index: int) -> np.ndarray:
        """The numbers of all documents of a document's group."""
        order, groups = self._by_group
        first, after = (int(np.searchsorted(groups, self.groups[index], side)) for side in ("left", "right"))
        return order[first:after]

    @cached_property
    def _by_group(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.groups, kind="stable")
        return order, self.groups[order]

    def forget_pages(self) -> None:
        """Let go of what has been read of the files; it is read again when it is needed."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)


def _per_document(batch: pa.RecordBatch) -> tuple[np.ndarray, ...]:
    """Copies of contents, groups, seconds, whether there is a title, and the number of sentences [documents]."""
    return (
        batch.column("content").to_numpy().copy(),
        batch.column("group").to_numpy().copy(),
        batch.column("second").to_numpy().copy(),
        batch.column("title_length").to_numpy() > 0,
        np.diff(batch.column("sentence_lengths").offsets.to_numpy()),
    )


def _mapped(path: Path) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _mapped_batches(mapped: mmap.mmap) -> list[pa.RecordBatch]:
    reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))
    return [reader.get_batch(number) for number in range(reader.num_record_batches)]
