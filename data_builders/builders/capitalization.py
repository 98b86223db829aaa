"""Capitalisation prediction (paper section 4.2.1): running text whose words are labelled with their original case.

A word is capitalised if its first character is in upper or title case, also at the start of a sentence and in text in
capitals. A word whose first character has no case (digits, punctuation, Chinese) has no label. All pieces of a word
have its label. In Chinese text only the Latin words have labels.

The vocabulary must be lower-cased: the tokens of a cased one show the label.
"""

from typing import Any, ClassVar

import numpy as np

from data_builders.annotation.document import AnnotatedDocument
from data_builders.annotation.features import CAPITALIZATION
from data_builders.builders.builder import DocumentBuilder, Pool, SampleDraft, Unsuitable
from data_builders.builders.knowledge_masking import running_text
from ernie_paddle.data.schema import IGNORED
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary


class CapitalizationBuilder(DocumentBuilder):
    """A builder that selects samples of knowledge masking with a cased word; labels come from the annotation."""

    name: ClassVar[str] = "capitalization"
    version: ClassVar[int] = 2
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")

    def __init__(self, max_length: int, options: Any, vocabulary: Vocabulary):
        if not vocabulary.lower_case:
            raise UserError(
                f"tasks.{self.name}: a cased vocabulary shows the letter case that the task predicts; remove the task, "
                "or use a lower-cased vocabulary"
            )
        super().__init__(max_length, options, vocabulary)

    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[SampleDraft]:
        if (document.columns.of(CAPITALIZATION.name) == IGNORED).all():
            raise Unsuitable("no cased word")
        drafts = running_text(document, self.max_length)
        return [draft for draft in drafts if (draft.segments[0].of(CAPITALIZATION.name) != IGNORED).any()]
