"""Annotated documents on disk, one folder per corpus: written once, read by every builder.

<folder>/documents-00000.arrow ...   one record batch of documents per work item, memory-mapped
<folder>/documents-00000.json ...    counts and checksum of each file
<folder>/phrases.txt                 the phrases mined from the corpus, if any
<folder>/annotated.json              origin, counts and checksums of the corpus
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_builders.annotation.annotated_corpus import JSON, AnnotatedCorpus, CorpusCounts, map_file, record_batches
from data_builders.annotation.annotator import ANNOTATION_VERSION, Annotator
from data_builders.annotation.document import AnnotatedBlock, arrow_schema
from data_builders.annotation.features import TokenFeature
from data_builders.annotation.settings import SpanSettings
from data_builders.documents import Record
from data_builders.readers.files import digest
from data_builders.readers.reader import NO_TEXT, RawCorpus
from data_builders.resumable import read_record, resumable_folder, unless_damaged
from data_builders.workers import Engine
from ernie_paddle.checksums import check_file, read_sealed, write_sealed
from ernie_paddle.files import atomic_write, sha256_of
from ernie_paddle.text.vocabulary import Vocabulary

CHARACTERS_PER_WORK_ITEM = 100_000  # minimum number of raw characters
WORK_ITEMS_PER_FILE = 16
DUPLICATE = "duplicate"
MAX_EXAMPLES = 5  # of words and names that were not found
CHECKSUM = "documents_sha256"
PHRASES = "phrases.txt"


def corpus_origin(
    corpus: RawCorpus, spans: SpanSettings, features: Sequence[TokenFeature], vocabulary: Vocabulary
) -> dict[str, Any]:
    """Return everything that the annotated documents depend on; those of another origin are made again."""
    size, sha256 = digest(corpus.files)
    return {
        "corpus_bytes": size,
        "corpus_sha256": sha256,
        "format": corpus.reader.name,
        "encoding": corpus.encoding,
        "variant": corpus.reader.variant,
        "language": corpus.language,
        "vocabulary": vocabulary.digest,
        "spans": spans.origin(corpus),
        "features": {feature.name: feature.version for feature in features},
        "annotation_version": ANNOTATION_VERSION,
        "characters_per_work_item": CHARACTERS_PER_WORK_ITEM,
    }


@dataclass(frozen=True)
class AnnotateWorkItem:
    """The function that workers run to annotate: takes the records of a work item, returns annotated documents."""

    corpus: RawCorpus
    annotator: Annotator

    def __call__(self, records: list[Record]) -> AnnotatedBlock:
        documents = [document for record in records if (document := self.corpus.document(record)) is not None]
        block = self.annotator.annotate(documents)
        return block.keep(block.sentence_counts > 0)


def annotate_corpus(
    corpus: RawCorpus,
    spans: SpanSettings,
    features: Sequence[TokenFeature],
    vocabulary: Vocabulary,
    folder: Path,
    engine: Engine,
    progress: Callable[[int], None],
) -> AnnotatedCorpus:
    """Annotate a corpus unless `folder` holds its annotated documents already.

    Exact duplicates are dropped. Files that an interrupted run finished are kept. `progress` is called with the number
    of bytes of the corpus that have been read.

    Raises:
        UserError: the corpus cannot be read or holds no text.
    """
    origin = corpus_origin(corpus, spans, features, vocabulary)
    if unless_damaged(_is_finished, folder, origin):
        return AnnotatedCorpus.open(folder)
    with resumable_folder(folder, origin) as partial:
        annotator = replace(spans.annotator(corpus, vocabulary), features=tuple(features))
        if annotator.english_spans.phrases:
            with atomic_write(partial / PHRASES) as file:
                file.writelines(f"{' '.join(words)}\n" for words in annotator.english_spans.phrases)
        counts = _Annotation(corpus, annotator, partial, progress).run(engine)
        records = sorted(partial.glob("documents-*.json"))
        sums = {record.with_suffix(".arrow").name: read_sealed(record, "record")[CHECKSUM] for record in records}
        write_sealed(partial / JSON, {"origin": origin, "counts": asdict(counts), "files": sums})
    return AnnotatedCorpus.open(folder)


def _is_finished(folder: Path, origin: dict[str, Any]) -> bool:
    """Return whether a folder holds the annotated documents of this origin.

    Raises:
        UserError: they are damaged.
    """
    annotated = read_record(folder / JSON)
    if annotated is None or annotated["origin"] != origin:
        return False
    for name, sha256 in annotated["files"].items():
        check_file(folder / name, sha256)
    return True


def _read_file_record(path: Path) -> dict[str, Any] | None:
    """Read the record of a file of documents; return None if there is none.

    Raises:
        UserError: the record or the file is damaged.
    """
    record = read_record(path)
    if record is not None:
        check_file(path.with_suffix(".arrow"), record[CHECKSUM])
    return record


class _Annotation:
    """A running annotation of a corpus, which writes the files that are missing in a folder."""

    def __init__(self, corpus: RawCorpus, annotator: Annotator, folder: Path, progress: Callable[[int], None]):
        self._corpus = corpus
        self._annotator = annotator
        self._folder = folder
        self._progress = progress
        self._bytes_read = 0
        self._noted = Counter(corpus.resolved.skipped)
        self._totals: Counter[str] = Counter()
        self._seen: set[int] = set()  # hashes of the documents so far
        self._entries_found: set[str] = set()

    def run(self, engine: Engine) -> CorpusCounts:
        """Write the missing files; return the statistics of the whole corpus."""
        items = _work_items(self._corpus.records(self._noted, self._set_bytes_read), self._totals)
        number = self._skip_finished_files(items)
        blocks = engine.map(AnnotateWorkItem(self._corpus, self._annotator), items)
        for first in blocks:
            in_file = chain([first], islice(blocks, WORK_ITEMS_PER_FILE - 1))
            self._write_file(self._folder / f"documents-{number:05d}.arrow", in_file)
            number += 1
        if not self._totals["documents"]:
            raise self._corpus.without_text()
        return self._counts()

    def _set_bytes_read(self, bytes_read: int) -> None:
        self._bytes_read = bytes_read

    def _skip_finished_files(self, items: Iterator[list[Record]]) -> int:
        """Skip the work items whose files are finished; return the number of these files."""
        number = 0
        while record := unless_damaged(_read_file_record, path := self._folder / f"documents-{number:05d}.json"):
            self._totals.update(record["counts"])
            self._entries_found.update(record["entries_found"])
            for batch in record_batches(map_file(path.with_suffix(".arrow"))):
                self._seen.update(batch.column("content").to_pylist())
            for _ in islice(items, WORK_ITEMS_PER_FILE):
                self._progress(self._bytes_read)
            number += 1
        return number

    def _write_file(self, path: Path, blocks: Iterable[AnnotatedBlock]) -> None:
        """Write blocks without their duplicates as record batches, then the record beside them."""
        counts: Counter[str] = Counter()
        entries_found: set[str] = set()
        schema = arrow_schema(self._annotator.dtypes)
        with atomic_write(path, "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for block in blocks:
                is_new = _first_seen(block.contents, self._seen)
                counts[DUPLICATE] += int((~is_new).sum())
                block = block if is_new.all() else block.keep(is_new)
                if len(block):
                    writer.write_batch(block.to_arrow(schema))
                counts.update(_block_counts(block, self._annotator.vocabulary))
                entries_found |= block.entries_found
                self._progress(self._bytes_read)
        record = {"counts": counts, "entries_found": sorted(entries_found), CHECKSUM: sha256_of(path)}
        write_sealed(path.with_suffix(".json"), record)
        self._totals += counts
        self._entries_found |= entries_found

    def _counts(self) -> CorpusCounts:
        totals, entries = self._totals, self._annotator.spans.user_entries
        without_text = totals["records"] - totals["documents"] - totals[DUPLICATE]
        noted = self._noted + Counter({DUPLICATE: totals[DUPLICATE], NO_TEXT: without_text})
        not_found = sorted(entries - self._entries_found)
        names = ("records", "documents", "sentences", "tokens", "unknown_tokens")
        return CorpusCounts(
            **{name: totals[name] for name in names},
            noted=dict(sorted(noted.items())),
            user_entries=len(entries),
            not_found=len(not_found),
            examples=tuple(not_found[:MAX_EXAMPLES]),
        )


def _block_counts(block: AnnotatedBlock, vocabulary: Vocabulary) -> dict[str, int]:
    return {
        "documents": len(block),
        "sentences": len(block.sentence_lengths),
        "tokens": len(block.columns["input_ids"]),
        "unknown_tokens": int((block.columns["input_ids"] == vocabulary.unk_id).sum()),
    }


def _work_items(records: Iterable[Record], totals: Counter[str]) -> Iterator[list[Record]]:
    """Cut a stream of records into work items by the number of characters; count the records in `totals`."""
    item: list[Record] = []
    characters = 0
    for record in records:
        item.append(record)
        characters += len(record.text)
        totals["records"] += 1
        if characters >= CHARACTERS_PER_WORK_ITEM:
            yield item
            item, characters = [], 0
    if item:
        yield item


def _first_seen(contents: np.ndarray, seen: set[int]) -> np.ndarray:
    """Return which hashes are not in `seen` and add them to it, bool [documents]."""
    is_new = np.ones(len(contents), bool)
    for position, content in enumerate(contents.tolist()):
        is_new[position] = content not in seen
        seen.add(content)
    return is_new
