"""WordPiece tokenization of long texts: the ids and offsets of `Vocabulary.tokenizer`, several times as fast.

Characters that are always separate tokens (Chinese characters, punctuation) are looked up in a table. The runs of
characters between them and blanks are tokenized once and cached.
"""

from dataclasses import dataclass
from itertools import chain

import numpy as np

from data_builders.annotation.characters import CharacterTable, code_points
from ernie_paddle.data.samples import ranges
from ernie_paddle.text.vocabulary import Vocabulary

MAX_CACHED = 300_000  # runs of characters; a full cache is cleared, so that memory is bounded
_BLANK, _IN_RUN = -1, -2
_FRAME = "a"


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text, as arrays [tokens].

    Attributes:
        starts, ends: character positions in the text.
        opens_word: False for pieces inside a word (`##...`).
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    opens_word: np.ndarray


class BlockTokenizer:
    """A tokenizer of long texts."""

    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary
        self._table = CharacterTable(self._character_class)
        self._numbers: dict[str, int]
        self._firsts: np.ndarray
        self._counts: np.ndarray
        self._pieces: np.ndarray
        self._clear_cache()

    def __call__(self, text: str) -> Tokens:
        classes = self._table(code_points(text))
        inside = np.concatenate([[False], classes == _IN_RUN, [False]])
        starts = np.flatnonzero(inside[1:-1] & ~inside[:-2])
        ends = np.flatnonzero(inside[1:-1] & ~inside[2:]) + 1
        runs = self._cached_numbers(
            [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        )
        separate = np.flatnonzero(classes >= 0)
        counts = np.zeros(len(classes), np.int64)  # tokens that begin at a character
        counts[separate] = 1
        counts[starts] = self._counts[runs]
        positions = np.cumsum(counts) - counts
        result = {name: np.empty(int(counts.sum()), np.int64) for name in ("ids", "starts", "ends")}
        single = positions[separate]
        result["ids"][single] = classes[separate]
        result["starts"][single], result["ends"][single] = separate, separate + 1
        target = ranges(positions[starts], counts[starts])
        source = ranges(self._firsts[runs], counts[starts])
        offset = np.repeat(starts, counts[starts])
        result["ids"][target] = self._pieces[0, source]
        result["starts"][target] = self._pieces[1, source] + offset
        result["ends"][target] = self._pieces[2, source] + offset
        ids = result["ids"].astype(np.int32)
        return Tokens(ids, result["starts"], result["ends"], ~self._vocabulary.continues_word[ids])

    def _cached_numbers(self, runs: list[str]) -> np.ndarray:
        """Return the number of each run in the cache; tokenize the runs that are not cached."""
        if len(self._numbers) > MAX_CACHED:
            self._clear_cache()
        new = sorted({run for run in runs if run not in self._numbers})
        if new:
            self._add_to_cache(new)
        return np.fromiter(map(self._numbers.__getitem__, runs), np.int64, len(runs))

    def _add_to_cache(self, runs: list[str]) -> None:
        encodings = self._vocabulary.tokenizer.encode_batch(runs, add_special_tokens=False)
        self._numbers.update(zip(runs, range(len(self._numbers), len(self._numbers) + len(runs)), strict=True))
        counts = np.fromiter(map(len, encodings), np.int64, len(runs))
        ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), np.int64, int(counts.sum()))
        offsets = np.array([pair for e in encodings for pair in e.offsets], np.int64).reshape(-1, 2)
        self._firsts = np.concatenate([self._firsts, self._pieces.shape[1] + np.cumsum(counts) - counts])
        self._counts = np.concatenate([self._counts, counts])
        self._pieces = np.concatenate([self._pieces, np.stack([ids, *offsets.T])], axis=1)

    def _clear_cache(self) -> None:
        self._numbers = {}
        self._firsts = np.empty(0, np.int64)
        self._counts = np.empty(0, np.int64)
        self._pieces = np.empty((3, 0), np.int64)

    def _character_class(self, character: str) -> int:
        """Return the id of a character that is always a separate token; `_BLANK` or `_IN_RUN` for others."""
        framed = f"{_FRAME}{character}{_FRAME}"
        tokenizer = self._vocabulary.tokenizer
        words = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(framed))
        match [word for word, _ in words]:
            case [first, last] if first == last == _FRAME:
                return _BLANK
            case [first, middle, last] if first == last == _FRAME and len(middle) == 1:
                return self._vocabulary.ids.get(middle, self._vocabulary.unk_id)
        return _IN_RUN
