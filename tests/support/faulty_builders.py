"""Sample builders with one mistake each. Worker processes can import them."""

import random as unseeded
from typing import Any, ClassVar

import numpy as np

from data_builders.annotation.document import AnnotatedDocument
from data_builders.builders.builder import Pool, SampleDraft, Unsuitable
from data_builders.builders.knowledge_masking import KnowledgeMaskingBuilder
from ernie_paddle.data.schema import Column


class Opening(KnowledgeMaskingBuilder):
    """A builder without mistakes: is the sample the beginning of its document?"""

    name: ClassVar[str] = "opening"
    labels: ClassVar[tuple[str, ...]] = ("inside", "opening")  # type: ignore[misc]

    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[SampleDraft]:
        drafts = super().of_document(document, pool, random)
        return [self.changed(draft, number, document) for number, draft in enumerate(drafts)]

    def changed(self, draft: SampleDraft, number: int, document: AnnotatedDocument) -> SampleDraft:
        """Return the draft of the document's sample `number` with its label."""
        return draft._replace(label=int(number == 0))


class Unseeded(Opening):
    def changed(self, draft: SampleDraft, number: int, document: AnnotatedDocument) -> SampleDraft:
        return draft._replace(label=int(unseeded.random() < 0.5))


class Remembering(Opening):
    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.samples = 0

    def changed(self, draft: SampleDraft, number: int, document: AnnotatedDocument) -> SampleDraft:
        self.samples += 1
        return draft._replace(label=self.samples % 2)


class Hashing(Opening):
    def changed(self, draft: SampleDraft, number: int, document: AnnotatedDocument) -> SampleDraft:
        return draft._replace(label=hash(f"{document.index} {number}") % 2)


class OutOfRange(Opening):
    def changed(self, draft: SampleDraft, number: int, document: AnnotatedDocument) -> SampleDraft:
        return draft._replace(label=min(number, 2))


class Unlabelled(Opening):
    def changed(self, draft: SampleDraft, number: int, document: AnnotatedDocument) -> SampleDraft:
        return draft


class TooLong(Opening):
    def changed(self, draft: SampleDraft, number: int, document: AnnotatedDocument) -> SampleDraft:
        return SampleDraft([document.columns], int(number == 0))


class Undeclared(Opening):
    def changed(self, draft: SampleDraft, number: int, document: AnnotatedDocument) -> SampleDraft:
        return SampleDraft(draft.segments, int(number == 0), {"extra": 1})


class Declaring(Opening):
    """Declares the column `extra` and leaves it out."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return (*super().columns, Column("extra", "token", ("no", "yes")))


class TooFew(Declaring):
    def changed(self, draft: SampleDraft, number: int, document: AnnotatedDocument) -> SampleDraft:
        tokens = sum(segment.tokens for segment in draft.segments)
        return SampleDraft(draft.segments, int(number == 0), {"extra": np.zeros(tokens - 1, np.int8)})


class Unsuited(Opening):
    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[SampleDraft]:
        raise Unsuitable("too short")


class Unpicklable(Opening):
    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.rule = lambda number: number == 0


class Misspelt(Opening):
    features: ClassVar[tuple[str, ...]] = ("capitalisation",)


class Classical(Opening):
    languages: ClassVar[tuple[str, ...]] = ("la",)
