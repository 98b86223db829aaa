"""Reading comprehension: the part of a text that answers a question (release, `finetune/mrc.py`).

A text that does not fit is read in windows, `[CLS] question [SEP] window [SEP]`, a `stride` apart; the best part of all
windows is the answer. It must begin in the window in which its first token has most context. A window without the
whole answer is trained to point at `[CLS]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from ernie_paddle.config import Settings, check_settings
from ernie_paddle.data.batch import Batch
from ernie_paddle.errors import UserError
from ernie_paddle.kind import Answer, Encoded, ModelClass, Signature
from ernie_paddle.registry import Registry
from ernie_paddle.task import Feed, Labels, Level, Objective, Outcome
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.encoding import Segments, samples_of, tokenized
from tasks.finetuning.kind import ReadingKind
from tasks.finetuning.reading.examples import QuestionExample
from tasks.finetuning.reading.source import Format
from tasks.finetuning.reading.squad import SquadFormat

if TYPE_CHECKING:
    from ernie_paddle.programs.network import Network


class ReadingOptions(Settings):
    """Lengths in tokens; `best_answers`: how many beginnings of a window are tried."""

    stride: int = Field(default=128, ge=1)
    max_question_length: int = Field(default=64, ge=1)
    max_answer_length: int = Field(default=50, ge=1)
    best_answers: int = Field(default=20, ge=1)


class Span(Objective):
    """Beginning and end of a part of the sequence: each a softmax over its tokens; the loss is their mean."""

    level: Level = "token"
    column = "label"
    head = "cls_mrc_out"

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed(f"{self.head}_start", (-1,), "int64"), Feed(f"{self.head}_end", (-1,), "int64"))

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        start, end = batch.labels.astype(np.int64).T
        feeds = {f"{self.head}_start": start, f"{self.head}_end": end}
        return Labels(np.arange(batch.tokens), feeds, start)

    def build(self, network: "Network", outputs: Any, inputs: dict[str, Any]) -> Outcome:
        logits = self.logits(network, outputs)
        sides = [
            network.cross_entropy(network.laid_out(logits[:, side : side + 1], inputs["token_of_cell"]), inputs[feed])
            for side, feed in enumerate((f"{self.head}_start", f"{self.head}_end"))
        ]
        loss, correct = ((sides[0][i] + sides[1][i]) / 2 for i in range(2))
        return Outcome(loss, correct, logits)

    def logits(self, network: "Network", outputs: Any) -> Any:
        return network.token_logits(outputs, self.head, 2)

    def classes(self, vocabulary_size: int) -> int:
        return 1


@dataclass(frozen=True)
class Window:
    """A part of an example's text in one sample: where it begins there, and the offsets of its tokens in the text.

    `has_most_context` [tokens] tells which tokens no other window shows with more text around them.
    """

    example: int
    begin: int
    offsets: Sequence[tuple[int, int]]
    has_most_context: np.ndarray


class ReadingComprehension(ReadingKind):
    """A part of the text."""

    name = "reading_comprehension"
    model_class = ModelClass(
        "QuestionAnswering",
        differences="the windows of long texts and the choice of the best answer do not go along: the model scores "
        "beginnings and ends in `[CLS] question [SEP] text [SEP]`",
    )
    answers_are = ("texts",)
    has_labels = False
    formats: ClassVar[tuple[type[Format], ...]] = (SquadFormat,)
    Options: ClassVar[type[Settings]] = ReadingOptions

    def check_signature(self, signature: Signature) -> None:
        super().check_signature(signature)
        reading_options(signature)

    def objective(self, signature: Signature) -> Objective:
        return Span()

    def gold(self, example: Any) -> Any:
        return tuple(answer.text for answer in example.answers) or None

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        """`details` are the windows, one a sample."""
        options = reading_options(signature)
        questions = tokenized([one.question for one in examples], vocabulary)
        contexts = tokenized([one.context for one in examples], vocabulary)
        sequences, windows, labels = list[Segments](), list[Window](), list[tuple[int, int]]()
        for number, (one, question, context) in enumerate(zip(examples, questions, contexts, strict=True)):
            asked = question.ids[: options.max_question_length]
            room = signature.max_length - len(asked) - 3
            answer = _answer_tokens(one, context.offsets)
            begins = window_begins(len(context.ids), room, options.stride)
            best = windows_of_most_context(begins, room, len(context.ids))
            for place, begin in enumerate(begins):
                end = min(begin + room, len(context.ids))
                sequences.append([asked, context.ids[begin:end]])
                offsets, is_best = context.offsets[begin:end], best[begin:end] == place
                windows.append(Window(number, len(asked) + 2, offsets, is_best))
                inside = answer is not None and begin <= answer[0] and answer[1] < end
                shift = len(asked) + 2 - begin
                labels.append((answer[0] + shift, answer[1] + shift) if answer and inside else (0, 0))
        return Encoded(samples_of(sequences, np.array(labels, np.int64).reshape(-1, 2), vocabulary), windows)

    def answers(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Answer]:
        options = reading_options(signature)
        best = [(-np.inf, "")] * len(examples)
        for window, found in zip(encoded.details, scores, strict=True):
            inside = found[window.begin : window.begin + len(window.offsets)]
            for score, first, last in best_spans(inside, window.has_most_context, options):
                if score > best[window.example][0]:
                    begin, end = window.offsets[first][0], window.offsets[last][1]
                    best[window.example] = (score, examples[window.example].context[begin:end])
        return [Answer(text) for _, text in best]


def reading_options(signature: Signature) -> ReadingOptions:
    """The signature's options.

    Raises:
        UserError: they are not those of this kind, or leave no room for a text.
    """
    options = check_settings(ReadingOptions, signature.options, "signature.options")
    room = max(0, signature.max_length - options.max_question_length - 3)
    if room < options.stride:
        raise UserError(
            f"signature.options.stride {options.stride}: more than the {room} tokens of a window; some would be skipped"
        )
    return options


def window_begins(tokens: int, room: int, stride: int) -> list[int]:
    """Where the windows of a text begin: a `stride` apart, until one reaches its end."""
    count = max(0, -(-(tokens - room) // stride)) + 1
    return [i * stride for i in range(count)]


def windows_of_most_context(begins: Sequence[int], room: int, tokens: int) -> np.ndarray:
    """Return the number of the window that shows each token of a text with most context, [tokens].

    Context is the smaller number of tokens before or behind it in the window, plus a hundredth of the window's length;
    of equal ones the first window counts (release, `MRCReader._check_is_max_context`, as in BERT).
    """
    most, best = np.full(tokens, -np.inf), np.zeros(tokens, np.int64)
    for number, begin in enumerate(begins):
        shown = slice(begin, min(begin + room, tokens))
        before = np.arange(shown.stop - begin)
        context = np.minimum(before, before[::-1]) + 0.01 * len(before)
        best[shown] = np.where(context > most[shown], number, best[shown])
        most[shown] = np.maximum(context, most[shown])
    return best


def best_spans(scores: np.ndarray, may_begin: np.ndarray, options: ReadingOptions) -> list[tuple[float, int, int]]:
    """Return score, first and last token of the parts worth trying: those of the best beginnings, each to its best end.

    `scores` [tokens, 2] are those of beginnings and ends; a part begins where `may_begin` [tokens] says so. The release
    pairs the best beginnings with the best ends of the window, which may leave none that stand in order.
    """
    firsts = np.flatnonzero(may_begin)
    firsts = firsts[np.argsort(-scores[firsts, 0], kind="stable")][: options.best_answers].tolist()
    lasts = [first + int(scores[first : first + options.max_answer_length, 1].argmax()) for first in firsts]
    return [(float(scores[i, 0] + scores[j, 1]), i, j) for i, j in zip(firsts, lasts, strict=True)]


def _answer_tokens(example: QuestionExample, offsets: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """First and last token of the first answer, None if the text does not hold it."""
    answer = next((one for one in example.answers if one.start is not None), None)
    if answer is None or answer.start is None:
        return None
    begin, end = answer.start, answer.start + len(answer.text)
    touched = [i for i, (left, right) in enumerate(offsets) if left < end and right > begin]
    return (touched[0], touched[-1]) if touched else None


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(ReadingComprehension.name, ReadingComprehension())
