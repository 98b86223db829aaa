"""Sentence distance (paper section 4.2.2): how far apart in the corpus did these two stand?

A document is cut into stretches of consecutive sentences. Each sample takes one stretch as B and finds an A for it by
its label:
0 A is the stretch just before B; 1 A is in the same document, neither next to B nor its last stretch;
2 A is from another document of the same split, drawn by its number of sentences, not its last stretch.

A sentence too long is cut on the far side: of A the ending is taken, of B the beginning. So A ends and B begins where
a sentence does whatever the label, and adjacent ones touch.

The label is drawn before anything is looked at, and only stretches that could serve as B under every label are
used, so B tells nothing about the label, and A is never a document's last stretch, which is often short.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import ClassVar

import numpy as np
from pydantic import Field

from data_builders.annotation.document import AnnotatedDocument, Columns
from data_builders.builders.builder import Draft, Pool, Reach, SampleBuilder, balanced_labels
from data_builders.builders.stretches import beginning, ending, sentence_stretches
from ernie_paddle.config import Settings

ADJACENT, SAME_DOCUMENT, DIFFERENT_DOCUMENTS = 0, 1, 2
LABELS = ("adjacent", "same document", "different documents")
LEAST_STRETCHES = 3
STRETCHES_OF_ANOTHER = 2  # taken from a document, to look at fewer
TRIES = 200  # documents looked at for the negatives of one document


class DistanceOptions(Settings):
    """`stretch_tokens`: tokens of A and of B at most; by default half of what a sample holds.

    `different_documents`: of B's own `corpus`, or of any of the task's corpora in its `language`. The former is
    harder, for what tells corpora apart does not help.
    """

    stretch_tokens: int | None = Field(default=None, ge=4)
    different_documents: Reach = "corpus"


class Builder(SampleBuilder):
    """`[CLS] A [SEP] B [SEP]`, the three labels in equal shares."""

    name: ClassVar[str] = "sentence_distance"
    version: ClassVar[int] = 5
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    Options: ClassVar[type[Settings]] = DistanceOptions

    @property
    def least_sentences(self) -> int:
        return LEAST_STRETCHES

    @cached_property
    def stretch_tokens(self) -> int:
        room = (self.max_length - 3) // 2
        return min(room, self.options.stretch_tokens or room)

    @property
    def labels(self) -> tuple[str, ...]:
        return LABELS

    def compose(
        self, documents: Sequence[AnnotatedDocument], pool: Pool, random: np.random.Generator, dropped: Counter[str]
    ) -> list[Draft]:
        usable = []
        for document in documents:
            stretches = sentence_stretches(document, self.stretch_tokens)
            seconds = [second for second in range(1, len(stretches)) if count_distant(second, len(stretches))]
            if seconds:
                usable.append((document, stretches, seconds))
            else:
                dropped[f"fewer than {LEAST_STRETCHES} stretches of {self.stretch_tokens} tokens"] += 1
        labels = iter(balanced_labels(sum(len(seconds) for *_, seconds in usable), len(LABELS), random).tolist())
        drafts: list[Draft] = []
        for document, stretches, seconds in usable:
            own = self._of_document(document, stretches, list(zip(seconds, labels, strict=False)), pool, random)
            if own is None:
                dropped["no other document to take a stretch from"] += 1
            else:
                drafts += own
        return drafts

    def _of_document(
        self,
        document: AnnotatedDocument,
        stretches: list[tuple[int, int]],
        wanted: list[tuple[int, int]],
        pool: Pool,
        random: np.random.Generator,
    ) -> list[Draft] | None:
        """A sample for each stretch and label in `wanted`; None if there is no other document."""
        limit, columns = self.stretch_tokens, document.columns
        elsewhere = self._stretches_elsewhere(document, pool, random)
        drafts = []
        for (second, label), drawn in zip(wanted, random.random(len(wanted)).tolist(), strict=True):
            first: Columns | None
            if label == ADJACENT:
                first = ending(columns, stretches[second - 1], limit)
            elif label == SAME_DOCUMENT:
                first = ending(columns, stretches[distant(second, len(stretches), drawn)], limit)
            else:
                first = next(elsewhere, None)
                if first is None:
                    return None
            drafts.append(Draft([first, beginning(columns, stretches[second], limit)], label))
        return drafts

    def _stretches_elsewhere(
        self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator
    ) -> Iterator[Columns]:
        """Stretches of other documents, never a document's last."""
        others = pool.others(document, LEAST_STRETCHES, self.options.different_documents, random)
        for other in islice(others, TRIES):
            stretches = sentence_stretches(other, self.stretch_tokens)
            if len(stretches) >= LEAST_STRETCHES:
                for drawn in random.random(STRETCHES_OF_ANOTHER).tolist():
                    chosen = stretches[int(drawn * (len(stretches) - 1))]
                    yield ending(other.columns, chosen, self.stretch_tokens)


def count_distant(second: int, stretches: int) -> int:
    """How many stretches may stand before stretch `second` as not adjacent: neither its neighbours nor the last."""
    near = min(second + 1, stretches - 2) - max(second - 1, 0) + 1  # itself and its neighbours, but not the last
    return stretches - 1 - near


def distant(second: int, stretches: int, drawn: float) -> int:
    """One of the stretches that `count_distant` counts, by a number drawn from 0 up to 1."""
    count = count_distant(second, stretches)
    place = int(drawn * count)
    return place if place < second - 1 else place + stretches - 1 - count
