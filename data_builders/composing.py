"""From annotated documents to the samples of one task."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data_builders.annotation.document import SAMPLE_COLUMNS, AnnotatedDocument, Columns
from data_builders.annotation.store import AnnotatedCorpus
from data_builders.builders.builder import CountingBuilder, Draft, Pool, PoolPart, SampleBuilder
from ernie_paddle.data.samples import IGNORED, TOKEN_COLUMNS, SampleBlock, ranges
from ernie_paddle.data.shards import SPLITS
from ernie_paddle.keyed_random import generator, keyed_hash, uniforms
from ernie_paddle.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Composed:
    """The samples of one part by split, how many documents gave none, by reason, and the unknown tokens."""

    blocks: dict[str, SampleBlock]
    dropped: Counter[str]
    unknown_tokens: int


@dataclass(frozen=True)
class Part:
    """The place of a unit of work: which of a task's corpora, and which unit of it."""

    corpus: int
    unit: int


@dataclass(frozen=True)
class ComposePart:
    """The work of one worker: a part in, its samples out.

    `folders` are the task's annotated corpora, `languages` theirs. Every draw is keyed by seed, task, corpus and
    part, so that nothing depends on who does the work.
    """

    builder: SampleBuilder
    folders: tuple[Path, ...]
    languages: tuple[str, ...]
    vocabulary: Vocabulary
    seed: int
    validation_share: float

    def __call__(self, part: Part) -> Composed:
        dropped: Counter[str] = Counter()
        blocks: dict[str, SampleBlock] = {}
        random = generator(self.seed, self.builder.name, self._corpora[part.corpus].name, part.unit)
        for split, documents in self._by_split(part).items():
            pool = self._pools[part.corpus][split].drawn(random)
            drafts = self.builder.compose(documents, pool, random, dropped)
            blocks[split] = to_samples(drafts, self.vocabulary)
        self.forget_pages()
        unknown = sum(int((block.columns["input_ids"] == self.vocabulary.unk_id).sum()) for block in blocks.values())
        return Composed(blocks, dropped, unknown)

    def forget_pages(self) -> None:
        """Let go of what has been read of the annotated corpora."""
        for corpus in self._corpora:
            corpus.forget_pages()

    def training_documents(self, part: Part) -> list[AnnotatedDocument]:
        """The documents of a part that are not held out."""
        return self._by_split(part)[SPLITS[0]]

    def _by_split(self, part: Part) -> dict[str, list[AnnotatedDocument]]:
        documents = list(self._corpora[part.corpus].unit(part.unit))
        held = self._held_out[part.corpus]
        return {split: [d for d in documents if held[d.index] == side] for side, split in enumerate(SPLITS)}

    @cached_property
    def _corpora(self) -> list[AnnotatedCorpus]:
        return [AnnotatedCorpus.open(folder) for folder in self.folders]

    @cached_property
    def _held_out(self) -> list[np.ndarray]:
        return [held_out(corpus.groups, self.validation_share, self.seed) for corpus in self._corpora]

    @cached_property
    def _pools(self) -> list[dict[str, Pool]]:
        """For each corpus and split the documents that negatives come from: its own, then those in its language."""
        sides = list(zip(self._corpora, self._held_out, strict=True))
        pools = []
        for place, language in enumerate(self.languages):
            kin = [i for i, other in enumerate(self.languages) if other == language and i != place]
            reached = [sides[i] for i in (place, *kin)]
            of_split = [[PoolPart(corpus, np.flatnonzero(held == side)) for corpus, held in reached] for side in (0, 1)]
            pools.append({split: Pool(parts) for split, parts in zip(SPLITS, of_split, strict=True)})
        return pools


@dataclass(frozen=True)
class CountPart:
    """The work of one worker before composing: a part in, the builder's counts of its training documents out."""

    builder: CountingBuilder
    composing: ComposePart

    def __call__(self, part: Part) -> Counter[str]:
        counts: Counter[str] = Counter()
        for document in self.composing.training_documents(part):
            counts.update(self.builder.count(document))
        self.composing.forget_pages()
        return counts


def held_out(groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which documents are for validation: drawn by their group, so that equal texts are on the same side."""
    return uniforms(keyed_hash(seed, "validation"), groups) < share


def to_samples(drafts: list[Draft], vocabulary: Vocabulary) -> SampleBlock:
    """Lay drafts out as samples: `[CLS]`, then each segment and a `[SEP]`; sentence ids count the segments."""
    segments = [segment for draft in drafts for segment in draft.segments]
    counts = np.array([len(draft.segments) for draft in drafts], np.int64)
    tokens = np.array([segment.tokens for segment in segments], np.int64)
    number = np.arange(len(segments)) - np.repeat(np.cumsum(counts) - counts, counts)
    opens = (number == 0).astype(np.int64)  # [CLS] stands before a sample's first segment
    ends = np.cumsum(tokens + opens + 1)  # each segment with its [SEP]
    total = int(ends[-1]) if len(ends) else 0
    columns = {name: np.full(total, IGNORED, dtype) for name, dtype in TOKEN_COLUMNS.items()}
    columns["sentence_ids"][:] = np.repeat(number, tokens + opens + 1)
    places = ends - 1 - tokens
    first = places[opens > 0] - 1
    columns["input_ids"][ends - 1] = vocabulary.sep_id
    columns["input_ids"][first] = vocabulary.cls_id
    _fill(columns, segments, places, tokens)
    for name in drafts[0].token_labels if drafts else ():
        columns[name][ranges(places, tokens)] = np.concatenate([draft.token_labels[name] for draft in drafts])
    return SampleBlock(np.diff(first, append=total), columns, np.array([draft.label for draft in drafts], np.int16))


def _fill(columns: dict[str, np.ndarray], segments: list[Columns], places: np.ndarray, tokens: np.ndarray) -> None:
    """Copy segments of so many `tokens` to their `places`."""
    blocks: dict[int, list[int]] = {}
    for number, segment in enumerate(segments):
        blocks.setdefault(id(segment.flat), []).append(number)
    for chosen in blocks.values():
        flat = segments[chosen[0]].flat
        source = ranges(np.array([segments[number].start for number in chosen]), tokens[chosen])
        target = ranges(places[chosen], tokens[chosen])
        for name in SAMPLE_COLUMNS:
            columns[name][target] = flat[name].take(source)
