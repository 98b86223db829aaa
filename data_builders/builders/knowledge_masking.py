"""Knowledge masking (paper section 4.2.1): running text with its spans; masks are sampled when batches are made."""

from typing import ClassVar

import numpy as np

from data_builders.annotation.document import AnnotatedDocument
from data_builders.builders.builder import DocumentBuilder, Pool, SampleDraft
from data_builders.builders.chunks import token_chunks


class KnowledgeMaskingBuilder(DocumentBuilder):
    """A builder of `[CLS] sentences [SEP]` from as many consecutive sentences of a document as fit, without a label."""

    name: ClassVar[str] = "knowledge_masking"
    version: ClassVar[int] = 1
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")

    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[SampleDraft]:
        return running_text(document, self.max_length)


def running_text(document: AnnotatedDocument, max_length: int) -> list[SampleDraft]:
    """Return samples of consecutive sentences that cover every token of a document once."""
    return [SampleDraft([document.columns.part(start, end)]) for start, end in token_chunks(document, max_length - 2)]
