"""Samples of IR relevance: their label, query and title, from made-up documents and from shards."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from traced_corpora import VOCABULARY, Written, write_corpus

from data_builders.builders.ir_relevance import IrRelevanceBuilder, IrRelevanceOptions
from data_builders.composing import ComposeWorkItem, WorkItem
from ernie_paddle.data.shards import SampleTable

Ids = tuple[int, ...]
ROOM = 40  # tokens of a query, and of a title
MAX_LENGTH = 21  # of samples from made-up documents


def triples(folder: Path, split: str) -> Iterator[tuple[int, Ids, Ids]]:
    """Return the label, the query and the title of each sample."""
    table = SampleTable.open(folder, split)
    for row in range(len(table)):
        block = table.take(np.array([row]))
        ids, segment = block.columns["input_ids"], block.columns["sentence_ids"]
        query, title = (tuple(ids[segment == n].tolist()) for n in range(2))
        yield int(block.sample_columns["label"][0]), query[1:-1], title[:-1]


def composed(
    folder: Path, documents: list[Written], options: IrRelevanceOptions, counts: Counter[str] | None = None
) -> list[tuple[int, Ids, Ids]]:
    """Return label, query and title of training samples, from a corpus of one work item with few held-out documents."""
    write_corpus(folder / "made", documents, per_work_item=len(documents))
    builder = IrRelevanceBuilder(MAX_LENGTH, options, VOCABULARY)
    builder.fit(counts or Counter())
    return samples_of(ComposeWorkItem(builder, (), (folder / "made",), ("en",), VOCABULARY, 1, 1e-9), WorkItem(0, 0))


def samples_of(composing: ComposeWorkItem, item: WorkItem) -> list[tuple[int, Ids, Ids]]:
    """Return the label, the query and the title of a work item's training samples."""
    block, found, end = composing(item).blocks["train"], [], 0
    for length, label in zip(block.lengths.tolist(), block.sample_columns["label"].tolist(), strict=True):
        ids, end = block.columns["input_ids"][end : end + length].tolist(), end + length
        boundary = ids.index(VOCABULARY.sep_id)
        assert length <= MAX_LENGTH
        found.append((label, tuple(ids[1:boundary]), tuple(ids[boundary + 1 : -1])))
    return found
