"""Build the samples of one task from annotated documents, one work item at a time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data_builders.annotation.annotated_corpus import AnnotatedCorpus
from data_builders.annotation.document import AnnotatedDocument, TokenColumns
from data_builders.builders.builder import CountingBuilder, Pool, PoolCorpus, SampleBuilder, SampleDraft
from ernie_paddle.data.samples import SampleBlock, ranges
from ernie_paddle.data.schema import IGNORED, INPUT_IDS, LABEL, SENTENCE_IDS, Column, of_level
from ernie_paddle.data.shards import SPLITS
from ernie_paddle.errors import UserError
from ernie_paddle.keyed_random import generator, keyed_hash, uniforms
from ernie_paddle.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class WorkItem:
    """A position in a task's corpora: the number of the corpus, and of the work item in it."""

    corpus: int
    number: int


@dataclass(frozen=True)
class BuiltWorkItem:
    """The samples of one work item.

    Attributes:
        blocks: the samples by split.
        dropped: the number of documents without a sample, by reason.
        unknown_tokens: the number of `[UNK]` tokens in the samples.
    """

    blocks: dict[str, SampleBlock]
    dropped: Counter[str]
    unknown_tokens: int


@dataclass(frozen=True)
class ComposeWorkItem:
    """The function that workers run to build samples: takes a work item, returns its samples.

    Random draws are keyed by seed, task, corpus and work item. The samples do not depend on which worker builds them.

    Attributes:
        features: the columns that are copied from the annotation.
        folders: the task's annotated corpora.
        languages: the language of each corpus.
    """

    builder: SampleBuilder
    features: tuple[Column, ...]
    folders: tuple[Path, ...]
    languages: tuple[str, ...]
    vocabulary: Vocabulary
    seed: int
    validation_share: float

    def __call__(self, item: WorkItem) -> BuiltWorkItem:
        dropped: Counter[str] = Counter()
        blocks: dict[str, SampleBlock] = {}
        random = generator(self.seed, self.builder.name, self._corpora[item.corpus].name, item.number)
        for split, documents in self._by_split(item).items():
            pool = self._pools[item.corpus][split].sample(random)
            drafts = self.builder.compose(documents, pool, random, dropped)
            blocks[split] = to_samples(drafts, self.features, self.builder.columns, self.vocabulary)
        self.release_pages()
        unknown = sum(int((block.columns[INPUT_IDS] == self.vocabulary.unk_id).sum()) for block in blocks.values())
        return BuiltWorkItem(blocks, dropped, unknown)

    def release_pages(self) -> None:
        """Release the memory pages of the annotated corpora that have been read."""
        for corpus in self._corpora:
            corpus.release_pages()

    def training_documents(self, item: WorkItem) -> list[AnnotatedDocument]:
        """Return the documents of a work item that belong to the training split."""
        return self._by_split(item)[SPLITS[0]]

    def _by_split(self, item: WorkItem) -> dict[str, list[AnnotatedDocument]]:
        documents = list(self._corpora[item.corpus].documents_of(item.number))
        in_validation = self._in_validation[item.corpus]
        return {split: [d for d in documents if in_validation[d.index] == i] for i, split in enumerate(SPLITS)}

    @cached_property
    def _corpora(self) -> list[AnnotatedCorpus]:
        return [AnnotatedCorpus.open(folder) for folder in self.folders]

    @cached_property
    def _in_validation(self) -> list[np.ndarray]:
        return [validation_mask(corpus.groups, self.validation_share, self.seed) for corpus in self._corpora]

    @cached_property
    def _pools(self) -> list[dict[str, Pool]]:
        """The pools of each corpus by split: the corpus itself first, then the others in its language."""
        corpora = list(zip(self._corpora, self._in_validation, strict=True))
        pools = []
        for number, language in enumerate(self.languages):
            others = [i for i, other in enumerate(self.languages) if other == language and i != number]
            reached = [corpora[i] for i in (number, *others)]
            by_split = {
                split: Pool([PoolCorpus(corpus, np.flatnonzero(mask == i)) for corpus, mask in reached])
                for i, split in enumerate(SPLITS)
            }
            pools.append(by_split)
        return pools


@dataclass(frozen=True)
class CountWorkItem:
    """The function that workers run before composing: takes a work item, returns the builder's counts.

    Only training documents are counted.
    """

    builder: CountingBuilder
    composing: ComposeWorkItem

    def __call__(self, item: WorkItem) -> Counter[str]:
        counts: Counter[str] = Counter()
        for document in self.composing.training_documents(item):
            counts.update(self.builder.count(document))
        self.composing.release_pages()
        return counts


def validation_mask(groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return which documents belong to the validation split, bool [documents].

    The split is a hash of a document's group, so that equal texts are in the same split.
    """
    return uniforms(keyed_hash(seed, "validation"), groups) < share


def to_samples(
    drafts: list[SampleDraft], features: Sequence[Column], own: Sequence[Column], vocabulary: Vocabulary
) -> SampleBlock:
    """Convert drafts to samples: `[CLS]`, then each segment followed by `[SEP]`; sentence ids number the segments.

    Args:
        drafts: the drafts.
        features: the columns that are copied from the segments.
        own: the columns that the drafts give values for.
        vocabulary: the vocabulary of the segments.

    Raises:
        UserError: the drafts do not fill the columns of their builder, or have no segments.
    """
    _check_filled(drafts, own)
    segments = [segment for draft in drafts for segment in draft.segments]
    counts = np.array([len(draft.segments) for draft in drafts], np.int64)
    tokens = np.array([segment.tokens for segment in segments], np.int64)
    numbers = np.arange(len(segments)) - np.repeat(np.cumsum(counts) - counts, counts)
    has_cls = (numbers == 0).astype(np.int64)  # [CLS] precedes a sample's first segment
    ends = np.cumsum(tokens + has_cls + 1)  # each segment with its [SEP]
    total = int(ends[-1]) if len(ends) else 0
    token_columns = [*features, *of_level(own, "token")]
    columns: dict[str, np.ndarray] = {column.name: np.full(total, IGNORED, column.dtype) for column in token_columns}
    columns[SENTENCE_IDS] = np.repeat(numbers, tokens + has_cls + 1).astype(np.int8)
    columns[INPUT_IDS] = np.full(total, vocabulary.sep_id, np.int32)
    starts = ends - 1 - tokens
    cls_positions = starts[has_cls > 0] - 1
    columns[INPUT_IDS][cls_positions] = vocabulary.cls_id
    _copy_segments([INPUT_IDS, *(column.name for column in features)], columns, segments, starts, tokens)
    if drafts:
        target = ranges(starts, tokens)
        for column in of_level(own, "token"):
            columns[column.name][target] = _checked(
                column, np.concatenate([_values(draft, column) for draft in drafts])
            )
    sample_columns = {
        column.name: _checked(column, np.array([_values(draft, column) for draft in drafts]))
        for column in of_level(own, "sentence")
    }
    return SampleBlock(np.diff(cls_positions, append=total), columns, sample_columns)


def _check_filled(drafts: list[SampleDraft], own: Sequence[Column]) -> None:
    """Raise a `UserError` if a draft has no segments, or values for a column that its builder does not declare."""
    declared = {column.name for column in own}
    for draft in drafts:
        if not draft.segments:
            raise UserError("a sample has no segments; mend its builder")
        if LABEL not in declared and draft.label != IGNORED:
            raise UserError(f"samples have a label, but their builder declares no column '{LABEL}'; name its classes")
        if unknown := draft.columns.keys() - declared:
            raise UserError(f"samples have values for a column '{min(unknown)}', which their builder does not declare")


def _values(draft: SampleDraft, column: Column) -> np.ndarray:
    """Return the values of a column that its builder fills: one for each token of the segments, or one.

    Raises:
        UserError: there are none, or fewer or more.
    """
    if column.name == LABEL:
        values = np.asarray(draft.label)
    elif column.name in draft.columns:
        values = np.asarray(draft.columns[column.name])
    else:
        raise UserError(f"column '{column.name}': a sample has no values for it; mend its builder")
    is_of_tokens = column.level == "token"
    tokens = sum(segment.tokens for segment in draft.segments)
    if values.shape != ((tokens,) if is_of_tokens else ()):
        what = f"{tokens} tokens of a sample" if is_of_tokens else "a sample"
        raise UserError(
            f"column '{column.name}': {values.size} values for {what}, in the shape {values.shape}; mend its builder"
        )
    return values


def _checked(column: Column, values: np.ndarray) -> np.ndarray:
    """Return the values of a column if it can hold them.

    Raises:
        UserError: a value is neither -1 nor a class id.
    """
    try:
        column.check(values)
    except ValueError as error:
        raise UserError(f"{error}; mend its builder") from None
    return values.astype(column.dtype)


def _copy_segments(
    names: list[str],
    columns: dict[str, np.ndarray],
    segments: list[TokenColumns],
    starts: np.ndarray,
    tokens: np.ndarray,
) -> None:
    """Copy columns of segments into `columns` at `starts`; `tokens` are their lengths [segments]."""
    by_source: dict[int, list[int]] = {}
    for number, segment in enumerate(segments):
        by_source.setdefault(id(segment.flat), []).append(number)
    for numbers in by_source.values():
        flat = segments[numbers[0]].flat
        source = ranges(np.array([segments[number].start for number in numbers]), tokens[numbers])
        target = ranges(starts[numbers], tokens[numbers])
        for name in names:
            columns[name][target] = flat[name].take(source)
