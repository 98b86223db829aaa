"""Capitalisation prediction (paper section 4.2.1): running text whose words carry their former case.

A word is capitalised when its first character is an upper-case letter (title case counts); when that character has no
case (digits, signs, Chinese) the word has no label. The pieces of a word share its label, a word that opens a sentence
keeps its own, and text in capitals counts as capitalised. Chinese text has labels for its Latin words alone.
"""

from typing import ClassVar

import numpy as np

from data_builders.annotation.document import AnnotatedDocument
from data_builders.builders.builder import DocumentBuilder, Draft, Pool, Unsuitable
from data_builders.builders.knowledge_masking import running_text
from ernie_paddle.data.samples import IGNORED


class Builder(DocumentBuilder):
    """The samples of knowledge masking that have a cased word; their labels are made with the annotation."""

    name: ClassVar[str] = "capitalization"
    version: ClassVar[int] = 2
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")

    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[Draft]:
        if (document.columns.of("capitalization") == IGNORED).all():
            raise Unsuitable("no cased word")
        drafts = running_text(document, self.max_length)
        return [draft for draft in drafts if (draft.segments[0].of("capitalization") != IGNORED).any()]
