"""Sequence labelling: a tag for every token (release, `finetune/sequence_label.py` and `SequenceLabelReader`).

A token is a word of any length. The model reads all its pieces, and predicts its tag at the first piece. Later pieces
are trained with the tag of `tags_inside_words`. A text that is longer than a sample continues in further samples, each
of which begins with a word. The release truncates it instead.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import model_validator
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.encoding import samples_of, tokenized
from ernie_paddle.data.schema import IGNORED
from ernie_paddle.finetuning_task import Encoded, ModelClass, Prediction, Signature
from ernie_paddle.inputs import GivenInput, TaskInput
from ernie_paddle.metric import Metric
from ernie_paddle.registry import Registry
from ernie_paddle.task import Labels, Objective, TokenClassificationObjective
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.file_task import FileTask
from tasks.finetuning.reading.examples import TaggedExample
from tasks.finetuning.reading.source import Format
from tasks.finetuning.reading.tagged import TaggedColumnsFormat, TaggedRowsFormat
from tasks.finetuning.schemes import check_tags, entity_ranges, scheme_of, tags_inside_words

TAGS = "tags"


class TokensInput(TaskInput):
    """The tokens of a text, or a text, which is split into words, punctuation marks and Chinese characters."""

    text: str | None = None
    """The text."""
    tokens: tuple[str, ...] | None = None
    """Its tokens instead."""

    @classmethod
    def of(cls: type[GivenInput], given: Any, where: str) -> GivenInput:
        """Return what a user gave, as `TaskInput.of` does; a sequence of texts are tokens."""
        if isinstance(given, Sequence) and not isinstance(given, str):
            given = {"tokens": given}
        return super().of(given, where)

    @model_validator(mode="after")
    def _text_or_tokens(self) -> "TokensInput":
        if (self.text is None) == (self.tokens is None):
            raise ValueError("give either text or tokens")
        return self


@dataclass(frozen=True)
class Entity:
    """An entity of a text: its name, its tokens, and the number of the first one."""

    name: str
    tokens: tuple[str, ...]
    first: int


@dataclass(frozen=True)
class TagsPrediction(Prediction):
    """The tags of `tokens`, and the probability of each tag."""

    tokens: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tag of each token."""
        return self.value

    @property
    def entities(self) -> list[Entity]:
        """The entities that the tags mark; none if they are no entity tags."""
        ranges = entity_ranges(self.tags)
        return [Entity(name, self.tokens[begin:end], begin) for name, begin, end in ranges]

    def as_record(self) -> dict[str, Any]:
        return {
            "prediction": list(self.tags),
            "tokens": list(self.tokens),
            "probabilities": list(self.probabilities),
            "entities": [asdict(entity) for entity in self.entities],
        }


class SequenceLabellingObjective(TokenClassificationObjective):
    """A tag for every token. Tokens without a tag do not count in the loss."""

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        labels = batch.columns[self.column.name].astype(np.int64)
        return Labels(np.arange(batch.tokens), {self.label_feed: labels}, labels)


@dataclass(frozen=True)
class TextChunk:
    """The words `begin`, `begin` + 1, ... of an example in one sample, with the positions of their first pieces."""

    example: int
    begin: int
    positions: np.ndarray


class SequenceLabelling(FileTask):
    """The fine-tuning task that predicts a tag for every token."""

    name = "sequence_labelling"
    head = release_head = "cls_seq_label_out"
    model_class = ModelClass(
        "TokenClassification",
        differences="the splitting of long texts into samples is not part of the model; the tag of a word is that of "
        "its first piece",
    )
    prediction_types = ("tags",)
    formats: ClassVar[tuple[type[Format], ...]] = (TaggedRowsFormat, TaggedColumnsFormat)
    Input: ClassVar[type[TaskInput]] = TokensInput

    def example(self, given: Any, id: str, place: str) -> Any:
        tokens = words_of(given.text) if given.tokens is None else given.tokens
        return TaggedExample(id, place, tokens, None)

    def objective(self, signature: Signature) -> Objective:
        return SequenceLabellingObjective(signature.labels or (), column=TAGS, head=self.head)

    def gold(self, example: Any) -> Any:
        return example.tags

    def check_metric(self, metric: Metric, options: Mapping[str, Any], signature: Signature) -> None:
        super().check_metric(metric, options, signature)
        if "scheme" in options:
            check_tags(signature.labels or (), options["scheme"], "signature.labels")

    def given_options(self, metric: Metric, examples: Sequence[Any], signature: Signature) -> dict[str, Any]:
        if "scheme" not in metric.options:
            return super().given_options(metric, examples, signature)
        tags = (example.tags for example in examples)
        return {"scheme": scheme_of(signature.labels or (), tags, f"metric '{metric.name}': signature.labels")}

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        """Encode examples as samples, one per chunk of a text. `details` are the chunks."""
        room = signature.max_length - 2
        pieces = pieces_of({token for example in examples for token in example.tokens}, vocabulary)
        first, later = tag_numbers(signature.labels or ())
        sequences, tags, chunks = list[list[list[int]]](), list[int](), list[TextChunk]()
        for number, example in enumerate(examples):
            words = [pieces[token][:room] for token in example.tokens]
            for begin, end in word_ranges([len(word) for word in words], room):
                positions, sequence, labels = [], list[int](), list[int]()
                for index in range(begin, end):
                    positions.append(1 + len(sequence))
                    sequence += words[index]
                    tag = None if example.tags is None else example.tags[index]
                    labels += [first[tag], *[later[tag]] * (len(words[index]) - 1)]
                sequences.append([sequence])
                tags += [IGNORED, *labels, IGNORED]
                chunks.append(TextChunk(number, begin, np.array(positions, np.int64)))
        samples = samples_of(sequences, None, vocabulary)
        samples.columns[TAGS] = np.array(tags, np.int16)
        return Encoded(samples, chunks)

    def predictions(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Prediction]:
        names = signature.labels or ()
        tags: list[list[str]] = [[] for _ in examples]
        probabilities: list[list[float]] = [[] for _ in examples]
        for chunk, token_scores in zip(encoded.details, scores, strict=True):  # in the order of the texts' words
            word_scores = token_scores[chunk.positions]
            tags[chunk.example] += [names[i] for i in word_scores.argmax(axis=1)]
            probabilities[chunk.example] += word_scores.max(axis=1).tolist()
        return [
            TagsPrediction(tuple(of_text), (), example.tokens, tuple(shares))
            for example, of_text, shares in zip(examples, tags, probabilities, strict=True)
        ]


def words_of(text: str) -> tuple[str, ...]:
    """Split a text into words, punctuation marks and Chinese characters, as the tokenizer does before word pieces."""
    separated = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    return tuple(word for word, _ in BertPreTokenizer().pre_tokenize_str(separated.normalize_str(text)))


def pieces_of(tokens: set[str], vocabulary: Vocabulary) -> dict[str, list[int]]:
    """Return the pieces of each token. A token that the tokenizer drops, such as a space, is one unknown piece."""
    ordered = sorted(tokens)
    encodings = tokenized(ordered, vocabulary)
    return {token: encoding.ids or [vocabulary.unk_id] for token, encoding in zip(ordered, encodings, strict=True)}


def tag_numbers(labels: Sequence[str]) -> tuple[dict[str | None, int], dict[str | None, int]]:
    """Return the class ids of a word's first piece and of its later pieces by the word's tag, -1 for no tag."""
    first = dict[str | None, int](zip((*labels, None), (*range(len(labels)), IGNORED), strict=True))
    inside = dict[str | None, str | None](tags_inside_words(labels)) | {None: None}
    return first, {label: first[inside[label]] for label in first}


def word_ranges(lengths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of consecutive words, each with as many words as fit into `room`. No word may be longer."""
    begin, used = 0, 0
    for number, length in enumerate(lengths):
        if used + length > room:
            yield begin, number
            begin, used = number, 0
        used += length
    yield begin, len(lengths)


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(SequenceLabelling.name, SequenceLabelling())
