"""Sentence distance (paper section 4.2.2): predict how far apart two chunks A and B were in the corpus.

A document is cut into chunks of consecutive sentences. Each sample has one of them as B; A depends on the label:
0: A is the chunk just before B.
1: A is another chunk of the same document, not next to B.
2: A is a chunk of another document of the same split, sampled by its number of sentences.

If A is too long, its last tokens are kept; if B is too long, its first tokens. For every label, A ends at the end of a
sentence and B begins at the start of one, so that adjacent chunks are contiguous.

B reveals nothing about the label: labels are sampled independently, and only chunks for which every label is possible
are used as B. A is never the last chunk of a document, which is often short.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import ClassVar

import numpy as np
from pydantic import Field

from data_builders.annotation.document import AnnotatedDocument, TokenColumns
from data_builders.builders.builder import Pool, Reach, SampleBuilder, SampleDraft, balanced_labels
from data_builders.builders.chunks import first_tokens, last_tokens, sentence_chunks
from ernie_paddle.config import Settings

ADJACENT, SAME_DOCUMENT, DIFFERENT_DOCUMENTS = 0, 1, 2
LABELS = ("adjacent", "same document", "different documents")
MIN_CHUNKS = 3
CHUNKS_PER_OTHER_DOCUMENT = 2  # sampled from each other document, so that fewer documents are read
MAX_TRIES = 200  # other documents read for the negatives of one document


class SentenceDistanceOptions(Settings):
    """Options of the builder."""

    chunk_tokens: int | None = Field(default=None, ge=4)
    """Tokens of each of the two chunks at most; `null`: half of what a sample holds."""
    different_documents: Reach = "corpus"
    """Chunks of other documents come from the same `corpus`, or from all corpora of the task in the `language`. The
    former is harder: what tells corpora apart does not help."""


class SentenceDistanceBuilder(SampleBuilder):
    """A builder of `[CLS] A [SEP] B [SEP]` with the three labels in equal shares."""

    name: ClassVar[str] = "sentence_distance"
    version: ClassVar[int] = 5
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    Options: ClassVar[type[Settings]] = SentenceDistanceOptions

    @property
    def min_sentences(self) -> int:
        return MIN_CHUNKS

    @cached_property
    def chunk_tokens(self) -> int:
        room = (self.max_length - 3) // 2
        return min(room, self.options.chunk_tokens or room)

    @property
    def labels(self) -> tuple[str, ...]:
        return LABELS

    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: Pool, random: np.random.Generator, dropped: Counter[str]
    ) -> list[SampleDraft]:
        usable = []
        for document in documents:
            chunks = sentence_chunks(document, self.chunk_tokens)
            seconds = [second for second in range(1, len(chunks)) if count_distant(second, len(chunks))]
            if seconds:
                usable.append((document, chunks, seconds))
            else:
                dropped[f"fewer than {MIN_CHUNKS} chunks of {self.chunk_tokens} tokens"] += 1
        labels = iter(balanced_labels(sum(len(seconds) for *_, seconds in usable), len(LABELS), random).tolist())
        drafts: list[SampleDraft] = []
        for document, chunks, seconds in usable:
            labelled = list(zip(seconds, labels, strict=False))
            document_drafts = self._of_document(document, chunks, labelled, pool, random)
            if document_drafts is None:
                dropped["no other document with enough chunks"] += 1
            else:
                drafts += document_drafts
        return drafts

    def _of_document(
        self,
        document: AnnotatedDocument,
        chunks: list[tuple[int, int]],
        labelled: list[tuple[int, int]],
        pool: Pool,
        random: np.random.Generator,
    ) -> list[SampleDraft] | None:
        """Return a sample for each `(B, label)`, or None if there is no suitable other document.

        Args:
            chunks: the chunks of the document.
            labelled: the number of each chunk to use as B, and its label.
        """
        limit, columns = self.chunk_tokens, document.columns
        elsewhere = self._chunks_elsewhere(document, pool, random)
        drafts = []
        for (second, label), value in zip(labelled, random.random(len(labelled)).tolist(), strict=True):
            first: TokenColumns | None
            if label == ADJACENT:
                first = last_tokens(columns, chunks[second - 1], limit)
            elif label == SAME_DOCUMENT:
                first = last_tokens(columns, chunks[distant_chunk(second, len(chunks), value)], limit)
            else:
                first = next(elsewhere, None)
                if first is None:
                    return None
            drafts.append(SampleDraft([first, first_tokens(columns, chunks[second], limit)], label))
        return drafts

    def _chunks_elsewhere(
        self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator
    ) -> Iterator[TokenColumns]:
        """Yield sampled chunks of other documents, never the last chunk of a document."""
        others = pool.others(document, MIN_CHUNKS, self.options.different_documents, random)
        for other in islice(others, MAX_TRIES):
            chunks = sentence_chunks(other, self.chunk_tokens)
            if len(chunks) >= MIN_CHUNKS:
                for value in random.random(CHUNKS_PER_OTHER_DOCUMENT).tolist():
                    chunk = chunks[int(value * (len(chunks) - 1))]
                    yield last_tokens(other.columns, chunk, self.chunk_tokens)


def count_distant(second: int, chunks: int) -> int:
    """Return how many chunks can be A for B = `second` with the label 1: neither B, nor next to it, nor the last."""
    near = min(second + 1, chunks - 2) - max(second - 1, 0) + 1  # B and its neighbours without the last chunk
    return chunks - 1 - near


def distant_chunk(second: int, chunks: int, value: float) -> int:
    """Return one of the chunks that `count_distant` counts, selected by a uniform `value` in [0, 1)."""
    count = count_distant(second, chunks)
    number = int(value * count)
    return number if number < second - 1 else number + chunks - 1 - count
