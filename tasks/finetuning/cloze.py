"""Idiom cloze (CHID): which of the candidates fills the blank?

Each candidate is one sequence, `[CLS] idiom [SEP] left [unused1] right [SEP]`, with a window of the passage around the
blank. Other blanks become four `[MASK]`, and all sentence ids are 0 (PaddleNLP's example). Blanks that share their
candidates are predicted together: greedily by score, with each candidate used once.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ernie_paddle.data.encoding import Segments, tokenized
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Encoded, ModelClass, Prediction, Signature
from ernie_paddle.inputs import TaskInput
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.multiple_choice import ChoicePrediction, MultipleChoice, check_choices, choices_encoded, softmax
from tasks.finetuning.reading.chid import BLANK, ChidFormat
from tasks.finetuning.reading.examples import ClozeExample

BLANK_TOKEN = "[unused1]"
IDIOM = 4  # characters


class ClozeInput(TaskInput):
    """A passage with a blank, and candidates for it. A blank is written as `#idiom000001#`, with any number."""

    text: str
    """The passage."""
    candidates: tuple[str, ...]
    """The candidates, two or more."""
    blank: str | None = None
    """The blank to fill, if the passage has several."""
    group: str | None = None
    """Name of a group of consecutive inputs that share their candidates, each of which fills one blank at most."""


class Cloze(MultipleChoice):
    """The fine-tuning task that predicts the number of the right candidate."""

    name = "cloze"
    model_class = ModelClass(
        "MultipleChoice",
        differences="the input format and the rule that no candidate fills two blanks are not part of the model: give "
        "it `[CLS] candidate [SEP] left [unused1] right [SEP]` with sentence id 0 throughout",
    )
    formats = (ChidFormat,)
    Input: ClassVar[type[TaskInput]] = ClozeInput
    least_length = IDIOM + 4  # an idiom, three special tokens and the blank

    def example(self, given: Any, id: str, place: str) -> Any:
        check_choices(given.candidates, place)
        blanks = [blank for blank in BLANK.finditer(given.text) if given.blank in (None, blank.group())]
        if len(blanks) != 1:
            named = f"the blank {given.blank}" if given.blank else "a blank, as #idiom000001#,"
            advice = "; name one with the key 'blank'" if len(blanks) > 1 and given.blank is None else ""
            raise UserError(f"{place}: {named} occurs {len(blanks)} times in the text, expected once{advice}")
        left, right = given.text[: blanks[0].start()], given.text[blanks[0].end() :]
        return ClozeExample(id, place, left, right, given.candidates, None, given.group or f"#{id}", 0)

    def belongs_together(self, example: Any, following: Any) -> bool:
        return example.group == following.group

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        blank = vocabulary.ids.get(BLANK_TOKEN, vocabulary.mask_id)
        lefts = [pieces(example.left, vocabulary) for example in examples]
        rights = [pieces(example.right, vocabulary) for example in examples]
        sequences: list[Segments] = []
        known = sorted({idiom for example in examples for idiom in example.candidates})
        idioms = dict(zip(known, tokenized(known, vocabulary), strict=True))
        for example, left, right in zip(examples, lefts, rights, strict=True):
            windows: dict[int, list[int]] = {}  # by the length of the idiom, which most candidates share
            for idiom in (idioms[candidate].ids[: signature.max_length - 4] for candidate in example.candidates):
                if len(idiom) not in windows:
                    before, after = window(len(left), len(right), signature.max_length - 4 - len(idiom))
                    windows[len(idiom)] = [*left[len(left) - before :], blank, *right[:after]]
                sequences.append([idiom, windows[len(idiom)]])
        encoded = choices_encoded(sequences, [len(example.candidates) for example in examples], examples, vocabulary)
        encoded.samples.columns["sentence_ids"].fill(0)
        return encoded

    def predictions(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Prediction]:
        groups: dict[str, list[int]] = defaultdict(list)
        for number, example in enumerate(examples):
            groups[example.group].append(number)
        chosen: dict[int, int] = {}
        for numbers in groups.values():
            chosen |= zip(numbers, each_once([scores[number][:, 0] for number in numbers]), strict=True)
        return [
            ChoicePrediction(chosen[number], softmax(column[:, 0]).tolist(), examples[number].candidates)
            for number, column in enumerate(scores)
        ]


def pieces(text: str, vocabulary: Vocabulary) -> list[int]:
    """Return the token ids of one side of a passage, with other blanks masked."""
    parts = tokenized(BLANK.split(text), vocabulary)
    ids = list(parts[0].ids)
    for part in parts[1:]:
        ids += [vocabulary.mask_id] * IDIOM + part.ids
    return ids


def window(left: int, right: int, room: int) -> tuple[int, int]:
    """Return how many tokens before and after the blank fit into `room`: half each, more if the other side is short."""
    before = min(left, max(room // 2, room - right))
    return before, min(right, room - before)


def each_once(scores: Sequence[np.ndarray]) -> list[int]:
    """Choose a candidate for each blank, greedily by score. No candidate is used twice while unused ones are left."""
    table = np.array(scores, np.float64)
    chosen = np.full(len(table), -1)
    free = table.copy()
    for _ in range(len(table)):
        if not np.isfinite(free).any():  # more blanks than candidates
            free = np.where(chosen[:, None] < 0, table, -np.inf)
        blank, candidate = np.unravel_index(np.argmax(free), free.shape)
        chosen[blank] = candidate
        free[blank], free[:, candidate] = -np.inf, -np.inf
    return chosen.tolist()


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(Cloze.name, Cloze())
