"""Sentence distance (paper section 4.2.2): how far apart in the corpus did these two stand?

A document is cut into stretches of consecutive sentences (a sentence too long is trimmed). Each sample takes
one stretch as B and finds an A for it by its label:
0 A is the stretch just before B; 1 A is in the same document, neither next to B nor its last stretch;
2 A is from another document of the same split, drawn by its number of sentences, not its last stretch.

The label is drawn before anything is looked at, and only stretches that could serve as B under every label are
used, so B tells nothing about the label, and A is never a document's last stretch, which is often short.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import ClassVar

import numpy as np
from pydantic import Field

from data_builders.annotation.document import AnnotatedDocument, Columns
from data_builders.builders.builder import Draft, Pool, Reach, SampleBuilder, Unsuitable, balanced_labels
from data_builders.builders.stretches import sentence_stretches, trimmed
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
    version: ClassVar[int] = 4
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

    def compose(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[Draft]:
        if document.sentences < LEAST_STRETCHES:
            raise Unsuitable(f"fewer than {LEAST_STRETCHES} sentences")
        stretches = sentence_stretches(document, self.stretch_tokens)
        seconds = [second for second in range(1, len(stretches)) if count_distant(second, len(stretches))]
        if not seconds:
            raise Unsuitable(f"fewer than {LEAST_STRETCHES} stretches of {self.stretch_tokens} tokens")
        elsewhere = self._stretches_elsewhere(document, pool, random)
        drafts = []
        for second, label in zip(seconds, balanced_labels(len(seconds), 3, random), strict=True):
            if label == ADJACENT:
                first = trimmed(document.columns, stretches[second - 1], self.stretch_tokens)
            elif label == SAME_DOCUMENT:
                first = trimmed(
                    document.columns, stretches[self._distant(second, len(stretches), random)], self.stretch_tokens
                )
            else:
                other = next(elsewhere, None)
                if other is None:
                    raise Unsuitable("no other document to take a stretch from")
                first = other
            drafts.append(Draft([first, trimmed(document.columns, stretches[second], self.stretch_tokens)], int(label)))
        return drafts

    def _distant(self, second: int, stretches: int, random: np.random.Generator) -> int:
        """One of the stretches that `count_distant` counts."""
        drawn = int(random.integers(count_distant(second, stretches)))
        return drawn if drawn < second - 1 else drawn + stretches - 1 - count_distant(second, stretches)

    def _stretches_elsewhere(
        self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator
    ) -> Iterator[Columns]:
        """Stretches of other documents, never a document's last."""
        others = pool.others(document, LEAST_STRETCHES, self.options.different_documents, random)
        for other in islice(others, TRIES):
            stretches = sentence_stretches(other, self.stretch_tokens)
            if len(stretches) >= LEAST_STRETCHES:
                for chosen in random.integers(len(stretches) - 1, size=STRETCHES_OF_ANOTHER).tolist():
                    yield trimmed(other.columns, stretches[chosen], self.stretch_tokens)


def count_distant(second: int, stretches: int) -> int:
    """How many stretches may stand before stretch `second` as not adjacent: neither its neighbours nor the last."""
    near = min(second + 1, stretches - 2) - max(second - 1, 0) + 1  # itself and its neighbours, but not the last
    return stretches - 1 - near
