"""Knowledge masking (paper section 4.2.1): running text with its spans; masks are drawn when batches are made."""

from typing import ClassVar

import numpy as np

from data_builders.annotation.document import AnnotatedDocument
from data_builders.builders.builder import DocumentBuilder, Draft, Pool
from data_builders.builders.stretches import whole_stretches


class Builder(DocumentBuilder):
    """`[CLS] sentences [SEP]`: consecutive sentences of one document, as many as fit. No label."""

    name: ClassVar[str] = "knowledge_masking"
    version: ClassVar[int] = 1
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")

    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[Draft]:
        return running_text(document, self.max_length)


def running_text(document: AnnotatedDocument, max_length: int) -> list[Draft]:
    """Every token of a document once, in samples of consecutive sentences."""
    return [Draft([document.columns.part(start, end)]) for start, end in whole_stretches(document, max_length - 2)]
