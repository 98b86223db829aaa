"""Tokens of long texts, of which only the first ones are needed."""

import numpy as np
import pytest

from ernie_paddle.data.encoding import tokenized
from ernie_paddle.text.vocabulary import Vocabulary

PIECES = [
    "他",
    "们",
    "a",
    "word",
    "é",
    "e\u0301",
    "\u0301",
    ",",
    "!",
    " ",
    "  ",
    "\n",
    "\t",
    "\x00",
    "[MASK]",
    "x" * 40,
    "😀",
]


@pytest.mark.parametrize("needed", [1, 3, 16])
def test_the_first_tokens_are_those_of_the_whole_text(toy_vocabulary: Vocabulary, needed: int) -> None:
    random = np.random.default_rng(needed)
    texts = ["".join(random.choice(PIECES, random.integers(0, 300))) for _ in range(200)]
    texts += ["a" * 5000, " " * 5000, " " * 5000 + "a 他", "\x00" * 5000 + "word word"]
    wholes, found = tokenized(texts, toy_vocabulary), tokenized(texts, toy_vocabulary, needed)
    for whole, part in zip(wholes, found, strict=True):
        assert part.ids[: needed + 1] == whole.ids[: needed + 1]
        assert part.offsets == whole.offsets[: len(part)]
    assert any(len(part) < len(whole) for whole, part in zip(wholes, found, strict=True))


@pytest.mark.parametrize("unit", ["word ", "他们", "a, "])
def test_the_end_of_a_long_text_is_left_out(toy_vocabulary: Vocabulary, unit: str) -> None:
    (found,) = tokenized([unit * 50_000], toy_vocabulary, needed=100)
    assert 100 < len(found) < 2_000
