"""Capitalisation prediction (paper section 4.2.1): running text whose words carry their former case."""

from typing import ClassVar

import numpy as np

from data_builders.annotation.document import AnnotatedDocument
from data_builders.builders.builder import Draft, Pool, SampleBuilder, Unsuitable
from data_builders.builders.knowledge_masking import running_text
from ernie_paddle.data.samples import IGNORED


class Builder(SampleBuilder):
    """The samples of knowledge masking; the labels are in `capitalization`, made with the annotation."""

    name: ClassVar[str] = "capitalization"
    version: ClassVar[int] = 1
    languages: ClassVar[tuple[str, ...]] = ("en",)

    def compose(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[Draft]:
        if (document.columns["capitalization"] == IGNORED).all():
            raise Unsuitable("no cased word")
        return running_text(document, self.max_length)
