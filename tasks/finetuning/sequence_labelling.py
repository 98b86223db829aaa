"""Sequence labelling: a tag for every token, by its first piece (release, `finetune/sequence_label.py`).

A text longer than a sample goes on in further samples, so that every token has an answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import IGNORED
from ernie_paddle.errors import UserError
from ernie_paddle.kind import Answer, Encoded, ModelClass, Signature
from ernie_paddle.registry import Registry
from ernie_paddle.task import Labels, Objective, TokenClassification
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.encoding import samples_of
from tasks.finetuning.kind import ReadingKind

TAGS = "tags"


class Tagging(TokenClassification):
    """A tag for every token; those without one are left out of the loss."""

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        labels = batch.columns[self.column].astype(np.int64)
        return Labels(np.arange(batch.tokens), {f"{self.head}_label": labels}, labels)


class SequenceLabelling(ReadingKind):
    """Tags of the signature's labels."""

    name = "sequence_labelling"
    model_class = ModelClass("TokenClassification")
    usual_data: ClassVar[Mapping[str, Any]] = {"reading": {"format": "tagged_rows"}}
    answers_are = ("tags",)

    def objective(self, signature: Signature) -> Objective:
        if signature.labels is None:
            raise UserError(f"signature.labels: {self.name} needs the names of its tags")
        return Tagging(signature.labels, column=TAGS, head="cls_seq_label_out")

    def gold(self, example: Any) -> Any:
        return example.tags

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        """`details` are the pieces: the number of the example and the word of each token, -1 at special ones."""
        tokenizer, numbers = vocabulary.lower_case_tokenizer, {tag: i for i, tag in enumerate(signature.labels or ())}
        sequences, tags, pieces = [], list[np.ndarray](), list[tuple[int, np.ndarray]]()
        room = signature.max_length - 2
        for number, one in enumerate(examples):
            encodings = tokenizer.encode_batch(list(one.tokens), add_special_tokens=False)
            # a token that the tokenizer drops, such as a blank, is unknown: it needs an answer all the same
            ids = [encoding.ids[0] if encoding.ids else vocabulary.unk_id for encoding in encodings]
            gold = [IGNORED] * len(ids) if one.tags is None else [numbers[tag] for tag in one.tags]
            for begin in range(0, max(len(ids), 1), room):
                end = min(begin + room, len(ids))
                sequences.append([ids[begin:end]])
                tags.append(np.array([IGNORED, *gold[begin:end], IGNORED]))
                pieces.append((number, np.array([IGNORED, *range(begin, end), IGNORED])))
        samples = samples_of(sequences, np.full(len(sequences), IGNORED, np.int16), vocabulary)
        samples.columns[TAGS] = np.concatenate(tags).astype(np.int16)
        return Encoded(samples, pieces)

    def answers(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Answer]:
        names = signature.labels or ()
        tags: list[list[str]] = [[""] * len(one.tokens) for one in examples]
        for (number, words), found in zip(encoded.details, scores, strict=True):
            for word, best in zip(words, found.argmax(axis=1), strict=True):
                if word != IGNORED:
                    tags[number][word] = names[best]
        return [Answer(tuple(found)) for found in tags]


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(SequenceLabelling.name, SequenceLabelling())
