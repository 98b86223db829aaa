"""Sequence labelling: a tag for every token (release, `finetune/sequence_label.py` and `SequenceLabelReader`).

A token is a word of any length. The model reads all its pieces; its tag is read at the first. Later pieces are trained
to be inside the entity that the word begins (`tags_inside_words`). A text longer than a sample goes on in further
samples, which begin with a word; the release cuts it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import IGNORED
from ernie_paddle.kind import Answer, Encoded, ModelClass, Signature
from ernie_paddle.metric import Metric
from ernie_paddle.registry import Registry
from ernie_paddle.task import Labels, Objective, TokenClassification
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.encoding import samples_of, tokenized
from tasks.finetuning.kind import ReadingKind
from tasks.finetuning.reading.source import Format
from tasks.finetuning.reading.tagged import TaggedColumnsFormat, TaggedRowsFormat
from tasks.finetuning.schemes import check_tags, scheme_of, tags_inside_words

TAGS = "tags"


class Tagging(TokenClassification):
    """A tag for every token; those without one are left out of the loss."""

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        labels = batch.columns[self.column].astype(np.int64)
        return Labels(np.arange(batch.tokens), {f"{self.head}_label": labels}, labels)


@dataclass(frozen=True)
class TextChunk:
    """The words `begin`, `begin` + 1, ... of an example in one sample; `places` of their first pieces there."""

    example: int
    begin: int
    places: np.ndarray


class SequenceLabelling(ReadingKind):
    """Tags of the signature's labels."""

    name = "sequence_labelling"
    model_class = ModelClass(
        "TokenClassification",
        differences="the cutting of long texts into samples does not go along; the tag of a word is that of its first "
        "piece",
    )
    answers_are = ("tags",)
    formats: ClassVar[tuple[type[Format], ...]] = (TaggedRowsFormat, TaggedColumnsFormat)

    def objective(self, signature: Signature) -> Objective:
        return Tagging(signature.labels or (), column=TAGS, head="cls_seq_label_out")

    def gold(self, example: Any) -> Any:
        return example.tags

    def check_metric(self, metric: Metric, options: Mapping[str, Any], signature: Signature) -> None:
        super().check_metric(metric, options, signature)
        if "scheme" in options:
            check_tags(signature.labels or (), options["scheme"], "signature.labels")

    def given_options(self, metric: Metric, examples: Sequence[Any], signature: Signature) -> dict[str, Any]:
        if "scheme" not in metric.options:
            return super().given_options(metric, examples, signature)
        tags = (one.tags for one in examples)
        return {"scheme": scheme_of(signature.labels or (), tags, f"metric '{metric.name}': signature.labels")}

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        """`details` are the chunks, one a sample."""
        room = signature.max_length - 2
        pieces = pieces_of({token for one in examples for token in one.tokens}, vocabulary)
        first, later = tag_numbers(signature.labels or ())
        sequences, tags, chunks = list[list[list[int]]](), list[int](), list[TextChunk]()
        for number, one in enumerate(examples):
            words = [pieces[token][:room] for token in one.tokens]
            for begin, end in word_ranges([len(word) for word in words], room):
                places, sequence, labels = [], list[int](), list[int]()
                for index in range(begin, end):
                    places.append(1 + len(sequence))
                    sequence += words[index]
                    tag = None if one.tags is None else one.tags[index]
                    labels += [first[tag], *[later[tag]] * (len(words[index]) - 1)]
                sequences.append([sequence])
                tags += [IGNORED, *labels, IGNORED]
                chunks.append(TextChunk(number, begin, np.array(places, np.int64)))
        samples = samples_of(sequences, np.full(len(sequences), IGNORED, np.int16), vocabulary)
        samples.columns[TAGS] = np.array(tags, np.int16)
        return Encoded(samples, chunks)

    def answers(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Answer]:
        names = signature.labels or ()
        tags: list[list[str]] = [[""] * len(one.tokens) for one in examples]
        for chunk, found in zip(encoded.details, scores, strict=True):
            best = found[chunk.places].argmax(axis=1)
            tags[chunk.example][chunk.begin : chunk.begin + len(best)] = [names[i] for i in best]
        return [Answer(tuple(found)) for found in tags]


def pieces_of(tokens: set[str], vocabulary: Vocabulary) -> dict[str, list[int]]:
    """Return the pieces of each token, at least one: what the tokenizer drops, such as a blank, is unknown."""
    ordered = sorted(tokens)
    encodings = tokenized(ordered, vocabulary)
    return {token: one.ids or [vocabulary.unk_id] for token, one in zip(ordered, encodings, strict=True)}


def tag_numbers(labels: Sequence[str]) -> tuple[dict[str | None, int], dict[str | None, int]]:
    """Return the class ids of a word's first piece and of its later ones, by the word's tag; -1 for those without."""
    first = dict[str | None, int](zip((*labels, None), (*range(len(labels)), IGNORED), strict=True))
    inside = dict[str | None, str | None](tags_inside_words(labels)) | {None: None}
    return first, {label: first[inside[label]] for label in first}


def word_ranges(lengths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of words, as many in each as fit into `room`; none is longer than that."""
    begin, used = 0, 0
    for number, length in enumerate(lengths):
        if used + length > room:
            yield begin, number
            begin, used = number, 0
        used += length
    yield begin, len(lengths)


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(SequenceLabelling.name, SequenceLabelling())
