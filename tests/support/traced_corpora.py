"""Annotated corpora in which every token occurs once, so that a sample's tokens tell where each was taken from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_builders.annotation.document import COLUMNS, AnnotatedBlock
from data_builders.builders.builder import SampleBuilder
from data_builders.composing import ComposeWorkItem, WorkItem
from data_builders.testing import write_annotated
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SPLITS
from ernie_paddle.testing import toy_vocabulary
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS

FIRST = len(SPECIAL_TOKENS)
VOCABULARY = toy_vocabulary(f"t{i}" for i in range(30_000))


@dataclass(frozen=True)
class Shape:
    """The shape of a document: the tokens of each sentence; a labelled pair's sentences are its two texts."""

    sentences: tuple[int, ...]
    label: str | None = None


@dataclass(frozen=True)
class Written:
    """A document as token ids, each a word: sentences, title, label, and the numbers that stand for hashes of texts."""

    sentences: list[list[int]]
    title: list[int] = field(default_factory=list)
    label: str | None = None
    group: int | None = None
    second: int = 0


def block_of(documents: Sequence[Written], first: int = 0, span: int = 1) -> AnnotatedBlock:
    """Return documents as annotation writes them; spans and words have `span` tokens."""
    lines = [[document.title, *document.sentences] for document in documents]
    ids = [token for split_lines in lines for line in split_lines for token in line]
    columns = {column: np.zeros(len(ids), dtype) for column, dtype in COLUMNS.items()}
    columns["input_ids"] = np.array(ids, np.int32)
    bi_tags = np.array(
        [int(i % span > 0) for split_lines in lines for line in split_lines for i in range(len(line))], np.int8
    )
    columns["bi_tags"] = columns["word_bi_tags"] = bi_tags
    numbers = np.arange(first, first + len(documents), dtype=np.int64)
    groups = [number if d.group is None else d.group for number, d in zip(numbers, documents, strict=True)]
    return AnnotatedBlock(
        ids=[str(number) for number in numbers],
        contents=numbers,
        groups=np.array(groups, np.int64),
        second_text_hashes=np.array([document.second for document in documents], np.int64),
        labels=[document.label for document in documents],
        title_lengths=np.array([len(document.title) for document in documents], np.int32),
        sentence_counts=np.array([len(document.sentences) for document in documents], np.int64),
        sentence_lengths=np.array([len(s) for document in documents for s in document.sentences], np.int32),
        columns=columns,
    )


def write_corpus(folder: Path, documents: Sequence[Written], per_work_item: int = 5, span: int = 1) -> None:
    """Write an annotated corpus with `per_work_item` documents in each work item."""
    starts = range(0, len(documents), per_work_item)
    write_annotated(folder, (block_of(documents[start : start + per_work_item], start, span) for start in starts))


class Traced(NamedTuple):
    """Where a token stands: corpus, document, sentence, place in the sentence, place in the document."""

    corpus: str
    document: int
    sentence: int
    place: int
    of_document: int


class TracedSample(NamedTuple):
    """A sample's label, its segments token by token, and its length with the special tokens."""

    label: int
    segments: list[list[Traced]]
    length: int


class TracedCorpora:
    """Writes corpora and reads back where the tokens of samples come from."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.shapes: dict[str, list[Shape]] = {}
        self._places: list[Traced] = []

    def write(self, name: str, shapes: Sequence[Shape], per_work_item: int = 5, span: int = 1) -> None:
        """Write a corpus with `per_work_item` documents in each work item and spans of `span` tokens."""
        self.shapes[name] = list(shapes)
        documents = []
        for number, shape in enumerate(shapes):
            written = Written([], label=shape.label)
            for sentence, length in enumerate(shape.sentences):
                first, before = FIRST + len(self._places), sum(map(len, written.sentences))
                self._places += [Traced(name, number, sentence, i, before + i) for i in range(length)]
                written.sentences.append(list(range(first, first + length)))
            documents.append(written)
        write_corpus(self.folder / name, documents, per_work_item, span)

    def composing(
        self, builder: SampleBuilder, languages: dict[str, str], seed: int = 1, share: float = 0.3
    ) -> ComposeWorkItem:
        """Return what composes the samples of corpora, given with their languages."""
        folders = tuple(self.folder / name for name in languages)
        return ComposeWorkItem(builder, (), folders, tuple(languages.values()), VOCABULARY, seed, share)

    def samples(self, composing: ComposeWorkItem, split: str | None = None, **item: Any) -> list[TracedSample]:
        """Return the samples of all work items of the first corpus, or of one `WorkItem`, in one split or in both."""
        every = range(composing._corpora[0].work_items)
        items = [WorkItem(**item)] if item else [WorkItem(0, number) for number in every]
        found = (composing(work_item).blocks for work_item in items)
        return [
            sample
            for blocks in found
            for name in SPLITS
            if split in (None, name)
            for sample in self.traced(blocks[name])
        ]

    def traced(self, block: SampleBlock) -> Iterator[TracedSample]:
        """Yield the samples of a block, and check the places of special tokens."""
        end, labels = 0, block.sample_columns.get("label", np.full(len(block), -1))
        for length, label in zip(block.lengths.tolist(), labels.tolist(), strict=True):
            ids = block.columns["input_ids"][end : end + length].tolist()
            number = block.columns["sentence_ids"][end : end + length].tolist()
            end += length
            assert ids[0] == VOCABULARY.cls_id and ids[-1] == VOCABULARY.sep_id
            segments: list[list[Traced]] = [[]]
            for token, segment in zip(ids[1:], number[1:], strict=True):
                assert segment == len(segments) - 1
                if token == VOCABULARY.sep_id:
                    segments.append([])
                else:
                    segments[-1].append(self._places[token - FIRST])
            yield TracedSample(label, segments[:-1], length)


def is_run(tokens: Sequence[Traced]) -> bool:
    """Return whether these tokens are consecutive in one document."""
    first = tokens[0]
    return [(t.corpus, t.document, t.of_document) for t in tokens] == [
        (first.corpus, first.document, first.of_document + i) for i in range(len(tokens))
    ]
