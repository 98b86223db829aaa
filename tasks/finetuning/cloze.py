"""Cloze of idioms (CHID): which of the candidates fills the blank?

As in PaddleNLP's example: `[CLS] idiom [SEP] left [unused1] right [SEP]` for each candidate, with a window of the
passage around the blank; other blanks are four `[MASK]`, sentence ids are 0 throughout. Blanks that share their
candidates are answered together: greedily, the surest blank first, each candidate once.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ernie_paddle.kind import Answer, Encoded, ModelClass, Signature
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import Vocabulary
from tasks.finetuning.encoding import Segments, tokenized
from tasks.finetuning.multiple_choice import MultipleChoice, choices_encoded, softmax
from tasks.finetuning.reading.chid import ChidFormat

OTHER_BLANK = re.compile(r"#idiom\d+#")
BLANK = "[unused1]"
IDIOM = 4  # characters


class Cloze(MultipleChoice):
    """The number of the right candidate."""

    name = "cloze"
    model_class = ModelClass(
        "MultipleChoice",
        differences="the layout of texts and the rule that no candidate fills two blanks do not go along: give the "
        "model `[CLS] candidate [SEP] left [unused1] right [SEP]` with sentence id 0 throughout",
    )
    formats = (ChidFormat,)
    least_length = IDIOM + 4  # an idiom, three special tokens and the blank

    def encode(self, examples: Sequence[Any], vocabulary: Vocabulary, signature: Signature) -> Encoded:
        blank = vocabulary.ids.get(BLANK, vocabulary.mask_id)
        lefts, rights = ([pieces(getattr(one, side), vocabulary) for one in examples] for side in ("left", "right"))
        sequences: list[Segments] = []
        known = sorted({idiom for one in examples for idiom in one.candidates})
        idioms = dict(zip(known, tokenized(known, vocabulary), strict=True))
        for one, left, right in zip(examples, lefts, rights, strict=True):
            around: dict[int, list[int]] = {}  # the passage by the length of the idiom, mostly one for all candidates
            for idiom in (idioms[candidate].ids[: signature.max_length - 4] for candidate in one.candidates):
                if len(idiom) not in around:
                    before, after = window(len(left), len(right), signature.max_length - 4 - len(idiom))
                    around[len(idiom)] = [*left[len(left) - before :], blank, *right[:after]]
                sequences.append([idiom, around[len(idiom)]])
        encoded = choices_encoded(sequences, [len(one.candidates) for one in examples], examples, vocabulary)
        encoded.samples.columns["sentence_ids"].fill(0)
        return encoded

    def answers(
        self, examples: Sequence[Any], encoded: Encoded, scores: Sequence[np.ndarray], signature: Signature
    ) -> list[Answer]:
        groups: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(examples):
            groups[one.group].append(number)
        chosen: dict[int, int] = {}
        for numbers in groups.values():
            chosen |= zip(numbers, each_once([scores[number][:, 0] for number in numbers]), strict=True)
        return [Answer(chosen[number], softmax(one[:, 0]).tolist()) for number, one in enumerate(scores)]


def pieces(text: str, vocabulary: Vocabulary) -> list[int]:
    """Token ids of one side of a passage; other blanks are masked."""
    parts = tokenized(OTHER_BLANK.split(text), vocabulary)
    ids = list(parts[0].ids)
    for part in parts[1:]:
        ids += [vocabulary.mask_id] * IDIOM + part.ids
    return ids


def window(left: int, right: int, room: int) -> tuple[int, int]:
    """How many tokens before and after the blank fit: half of the room each, more where the other side is short."""
    before = min(left, max(room // 2, room - right))
    return before, min(right, room - before)


def each_once(scores: Sequence[np.ndarray]) -> list[int]:
    """A candidate for each blank, no candidate twice while there are others: greedily by score."""
    table = np.array(scores, np.float64)
    chosen = np.full(len(table), -1)
    free = table.copy()
    for _ in range(len(table)):
        if not np.isfinite(free).any():  # more blanks than candidates
            free = np.where(chosen[:, None] < 0, table, -np.inf)
        blank, candidate = np.unravel_index(np.argmax(free), free.shape)
        chosen[blank] = candidate
        free[blank], free[:, candidate] = -np.inf, -np.inf
    return [int(one) for one in chosen]


def register(registry: Registry) -> None:
    registry.finetuning_tasks.add(Cloze.name, Cloze())
