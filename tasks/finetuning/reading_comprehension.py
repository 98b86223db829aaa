"""Reading comprehension: the span of a text that answers a question (release, `finetune/mrc.py`).

A text that is too long is split into windows, `[CLS] question [SEP] window [SEP]`, a `stride` apart. The answer is the
best span of all windows. A span may only begin in the window in which its first token has most context. A window that
does not contain the whole answer is trained to point at `[CLS]`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from ernie_paddle.config import Settings, check_settings
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.encoding import Segments, samples_of, tokenized
from ernie_paddle.data.feeds import Feed
from ernie_paddle.data.schema import LABEL, Column, Level
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Encoded, ModelClass, Prediction, Signature
from ernie_paddle.inputs import TaskInput
from ernie_paddle.registry import Registry
from ernie_paddle.task import HeadNetwork, HeadOutput, Labels, Objective
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.file_task import FileTask
from tasks.finetuning.reading.examples import QuestionExample
from tasks.finetuning.reading.source import Format
from tasks.finetuning.reading.squad import SquadFormat

SPECIAL_TOKENS = 3  # [CLS] and two [SEP]


class ReadingOptions(Settings):
    """The options of reading comprehension."""

    stride: int = Field(default=128, ge=1)
    """Tokens from the beginning of a window to that of the next."""
    max_question_length: int = Field(default=64, ge=1)
    """Tokens of a question at most."""
    max_answer_length: int = Field(default=50, ge=1)
    """Tokens of an answer at most."""
    best_answers: int = Field(default=20, ge=1)
    """Starts of a window that are tried."""


class SpanObjective(Objective):
    """Start and end of a span of the sequence: each is a softmax over its tokens, and the loss is their mean."""

    level: Level = "token"
    column = Column(LABEL, "sentence", dtype="int32")  # first and last token
    head = "cls_mrc_out"
    heads = (head,)

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed(f"{self.head}_start", (-1,), "int64"), Feed(f"{self.head}_end", (-1,), "int64"))

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        start, end = batch.sample_columns[LABEL].astype(np.int64).T
        feeds = {f"{self.head}_start": start, f"{self.head}_end": end}
        return Labels(np.arange(batch.tokens), feeds, start)

    def build(self, network: HeadNetwork, outputs: Any, inputs: dict[str, Any]) -> HeadOutput:
        logits = self.logits(network, outputs)
        sides = [
            network.cross_entropy(
                network.padded_scores(logits[:, side : side + 1], inputs["padded_to_token"]), inputs[feed]
            )
            for side, feed in enumerate((f"{self.head}_start", f"{self.head}_end"))
        ]
        loss, correct = ((sides[0][i] + sides[1][i]) / 2 for i in range(2))
        return HeadOutput(loss, correct, logits)

    def logits(self, network: HeadNetwork, outputs: Any) -> Any:
        return network.token_logits(outputs, self.head, 2)


@dataclass(frozen=True)
class Window:
    """A window of an example's text in one sample.

    `begin` is its first token in the sample. `offsets` are those of its tokens in the text. `has_most_context` [tokens]
    tells for which tokens no other window has more context.
    """

    example: int
    begin: int
    offsets: Sequence[tuple[int, int]]
    has_most_context: np.ndarray


class QuestionInput(TaskInput):
    """A question about a text."""

    question: str
    """The question."""
    context: str
    """The text that has the answer."""


@dataclass(frozen=True)
class CandidateAnswer:
    """A span of the text, its offsets in it, and its probability among the candidates."""

    text: str
    probability: float
    start: int
    end: int


@dataclass(frozen=True)
class AnswerPrediction(Prediction):
    """The text of the best answer, and the best answers of different texts, best first."""

    n_best: tuple[CandidateAnswer, ...] = ()

    @property
    def text(self) -> str:
        """The best answer, empty if the text has no token."""
        return self.value

    @property
    def probability(self) -> float:
        """The probability of the best answer among the candidates."""
        return self.n_best[0].probability if self.n_best else 0.0

    def as_record(self) -> dict[str, Any]:
        candidates = [asdict(candidate) for candidate in self.n_best]
        return {"prediction": self.text, "probability": self.probability, "n_best": candidates}


class ReadingComprehension(FileTask):
    """The fine-tuning task that predicts a span of the text."""

    name = "reading_comprehension"
    head = release_head = SpanObjective.head
    model_class = ModelClass(
        "QuestionAnswering",
        huggingface_layer="qa_outputs",
        differences="the windows of long texts and the choice of the best answer are not part of the model: it scores "
        "starts and ends in `[CLS] question [SEP] text [SEP]`",
    )
    prediction_types = ("texts",)
    has_labels = False
    formats: ClassVar[tuple[type[Format], ...]] = (SquadFormat,)
    Options: ClassVar[type[Settings]] = ReadingOptions
    Input: ClassVar[type[TaskInput]] = QuestionInput

    def example(self, given: Any, id: str, place: str) -> Any:
        return QuestionExample(id, place, given.question, given.context, ())

    def check_signature(self, signature: Signature) -> None:
        super().check_signature(signature)
        reading_options(signature)

    def objective(self, signature: Signature) -> Objective:
        return SpanObjective()

    def gold(self, example: Any) -> Any:
        return tuple(answer.text for answer in example.answers) or None

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        """Encode examples as samples, one per window. `details` are the windows."""
        options = reading_options(signature)
        questions = tokenized([example.question for example in examples], vocabulary)
        contexts = tokenized([example.context for example in examples], vocabulary)
        sequences, windows, labels = list[Segments](), list[Window](), list[tuple[int, int]]()
        for number, (example, question, context) in enumerate(zip(examples, questions, contexts, strict=True)):
            question_ids = question.ids[: options.max_question_length]
            room = signature.max_length - len(question_ids) - SPECIAL_TOKENS
            answer = _answer_tokens(example, context.offsets)
            begins = window_begins(len(context.ids), room, options.stride)
            best = windows_of_most_context(begins, room, len(context.ids))
            for index, begin in enumerate(begins):
                end = min(begin + room, len(context.ids))
                sequences.append([question_ids, context.ids[begin:end]])
                offsets, has_most_context = context.offsets[begin:end], best[begin:end] == index
                windows.append(Window(number, len(question_ids) + 2, offsets, has_most_context))
                inside = answer is not None and begin <= answer[0] and answer[1] < end
                shift = len(question_ids) + 2 - begin
                labels.append((answer[0] + shift, answer[1] + shift) if answer and inside else (0, 0))
        return Encoded(samples_of(sequences, np.array(labels, np.int64).reshape(-1, 2), vocabulary), windows)

    def predictions(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Prediction]:
        options = reading_options(signature)
        spans: list[list[tuple[float, int, int]]] = [[] for _ in examples]
        for window, sample_scores in zip(encoded.details, scores, strict=True):
            token_scores = sample_scores[window.begin : window.begin + len(window.offsets)]
            for score, first, last in best_spans(token_scores, window.has_most_context, options):
                spans[window.example].append((score, window.offsets[first][0], window.offsets[last][1]))
        found = [
            n_best(example.context, candidates, options.best_answers)
            for example, candidates in zip(examples, spans, strict=True)
        ]
        return [AnswerPrediction(best[0].text if best else "", (), best) for best in found]


def reading_options(signature: Signature) -> ReadingOptions:
    """Return the signature's options.

    Raises:
        UserError: the options are unknown or invalid, or leave no room for a text.
    """
    options = check_settings(ReadingOptions, signature.options, "signature.options")
    length, question = signature.max_length, options.max_question_length
    room = length - question - SPECIAL_TOKENS
    if room < 1:
        raise UserError(
            f"signature.max_length {length}: leaves no token for the text beside a question of up to {question} tokens "
            f"(signature.options.max_question_length) and {SPECIAL_TOKENS} special tokens; raise max_length to "
            f"{question + SPECIAL_TOKENS + options.stride}, or lower max_question_length and stride"
        )
    if room < options.stride:
        raise UserError(
            f"signature.options.stride {options.stride}: more than the {room} tokens of a window (max_length {length} "
            f"less {question} of a question and {SPECIAL_TOKENS} special tokens); lower it, or tokens will be skipped"
        )
    return options


def window_begins(tokens: int, room: int, stride: int) -> list[int]:
    """Return the first tokens of a text's windows: a `stride` apart, until a window reaches the text's end."""
    count = max(0, -(-(tokens - room) // stride)) + 1
    return [i * stride for i in range(count)]


def windows_of_most_context(begins: Sequence[int], room: int, tokens: int) -> np.ndarray:
    """Return the number of the window in which each token of a text has most context, [tokens].

    The context is the smaller number of tokens before or after the token in the window, plus a hundredth of the
    window's length. Of windows with equal context, the first counts (release, `MRCReader._check_is_max_context`, as in
    BERT).
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
    """Return score, first and last token of candidate spans: each of the best starts with its best end.

    `scores` [tokens, 2] are those of starts and ends. `may_begin` [tokens] tells where spans may start. The release
    pairs the window's best starts with its best ends, of which possibly no pair is in order.
    """
    firsts = np.flatnonzero(may_begin)
    firsts = firsts[np.argsort(-scores[firsts, 0], kind="stable")][: options.best_answers].tolist()
    lasts = [first + int(scores[first : first + options.max_answer_length, 1].argmax()) for first in firsts]
    return [(float(scores[i, 0] + scores[j, 1]), i, j) for i, j in zip(firsts, lasts, strict=True)]


def n_best(context: str, spans: Sequence[tuple[float, int, int]], most: int) -> tuple[CandidateAnswer, ...]:
    """Return the best of `spans`, given by score, start and end, best first, with probabilities that sum to 1.

    Of spans with the same text, only the best counts. The probabilities are a softmax of the scores (release,
    `finetune/mrc.py`, `nbest_predictions`).
    """
    best: dict[str, tuple[float, int, int]] = {}
    for score, start, end in sorted(spans, key=lambda span: -span[0]):
        best.setdefault(context[start:end], (score, start, end))
    chosen = list(best.values())[:most]
    shares = np.exp(np.array([score for score, _, _ in chosen]) - max((score for score, _, _ in chosen), default=0.0))
    return tuple(
        CandidateAnswer(context[start:end], float(share), start, end)
        for share, (_, start, end) in zip(shares / shares.sum(), chosen, strict=True)
    )


def _answer_tokens(example: QuestionExample, offsets: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the first and last token of the first answer that is in the text, None if there is none."""
    answer = next((answer for answer in example.answers if answer.start is not None), None)
    if answer is None or answer.start is None:
        return None
    begin, end = answer.start, answer.start + len(answer.text)
    overlapping = [i for i, (left, right) in enumerate(offsets) if left < end and right > begin]
    return (overlapping[0], overlapping[-1]) if overlapping else None


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(ReadingComprehension.name, ReadingComprehension())
