"""From annotated documents to the samples of one task."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data_builders.annotation.document import SAMPLE_COLUMNS, AnnotatedDocument
from data_builders.annotation.store import AnnotatedCorpus
from data_builders.builders.builder import CountingBuilder, Draft, Pool, SampleBuilder, Unsuitable
from ernie_paddle.data.samples import IGNORED, TOKEN_COLUMNS, SampleBlock
from ernie_paddle.data.shards import SPLITS
from ernie_paddle.keyed_random import generator, keyed_hash, uniforms


@dataclass(frozen=True)
class SpecialIds:
    """Ids of `[CLS]` and `[SEP]`."""

    cls: int
    sep: int


@dataclass(frozen=True)
class Composed:
    """The samples of one unit of documents by split, and how many documents gave none, by reason."""

    blocks: dict[str, SampleBlock]
    unsuitable: Counter[str]


@dataclass(frozen=True)
class ComposeUnit:
    """The work of one worker: the number of a unit of documents in, its samples out.

    Every draw is keyed by seed, task, corpus and document, so that nothing depends on who does the work.
    """

    builder: SampleBuilder
    corpus_folder: Path
    kin_folders: tuple[Path, ...]  # the task's other corpora in the same language
    special: SpecialIds
    seed: int
    validation_share: float

    def __call__(self, unit: int) -> Composed:
        drafts: dict[str, list[Draft]] = {split: [] for split in SPLITS}
        unsuitable: Counter[str] = Counter()
        corpus = self._corpora[0]
        for document in corpus.unit(unit):
            split = SPLITS[int(self._held_out[0][document.index])]
            random = generator(self.seed, self.builder.name, corpus.name, document.index)
            try:
                drafts[split] += self.builder.compose(document, self._pools[split], random)
            except Unsuitable as reason:
                unsuitable[str(reason)] += 1
        return Composed({split: to_samples(drafts[split], self.special) for split in SPLITS}, unsuitable)

    def training_documents(self, unit: int) -> Iterator[AnnotatedDocument]:
        """The documents of a unit that are not held out."""
        return (document for document in self._corpora[0].unit(unit) if not self._held_out[0][document.index])

    @cached_property
    def _corpora(self) -> list[AnnotatedCorpus]:
        return [AnnotatedCorpus.open(folder) for folder in (self.corpus_folder, *self.kin_folders)]

    @cached_property
    def _held_out(self) -> list[np.ndarray]:
        return [held_out(corpus.contents, self.validation_share, self.seed) for corpus in self._corpora]

    @cached_property
    def _pools(self) -> dict[str, Pool]:
        sides = list(zip(self._corpora, self._held_out, strict=True))
        return {
            split: Pool([(corpus, np.flatnonzero(held_out == i)) for corpus, held_out in sides])
            for i, split in enumerate(SPLITS)
        }


@dataclass(frozen=True)
class CountUnit:
    """The work of one worker before composing: a unit in, the builder's counts of its training documents out."""

    builder: CountingBuilder
    composing: ComposeUnit

    def __call__(self, unit: int) -> Counter[str]:
        counts: Counter[str] = Counter()
        for document in self.composing.training_documents(unit):
            counts += self.builder.count(document)
        return counts


def held_out(contents: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which documents are for validation: drawn by their text, so that equal texts are on the same side."""
    return uniforms(keyed_hash(seed, "validation"), contents) < share


def to_samples(drafts: list[Draft], special: SpecialIds) -> SampleBlock:
    """Lay drafts out as samples: `[CLS]`, then each segment and a `[SEP]`; sentence ids count the segments."""
    lengths = np.array([1 + sum(s.end - s.start + 1 for s in draft.segments) for draft in drafts], np.int64)
    columns = {name: np.full(int(lengths.sum()), IGNORED, dtype) for name, dtype in TOKEN_COLUMNS.items()}
    columns["sentence_ids"][:] = 0
    place = 0
    for draft in drafts:
        columns["input_ids"][place] = special.cls
        place += 1
        first = place
        for number, (document, start, end) in enumerate(draft.segments):
            after = place + end - start
            for name in SAMPLE_COLUMNS:
                columns[name][place:after] = document.columns[name][start:end]
            columns["input_ids"][after] = special.sep
            columns["sentence_ids"][place : after + 1] = number
            place = after + 1
        for name, values in draft.token_labels.items():
            tokens = np.flatnonzero(columns["span_codes"][first:place] != IGNORED)
            columns[name][first + tokens] = values
    return SampleBlock(lengths, columns, np.array([draft.label for draft in drafts], np.int16))
