"""WordPiece of much text at once: the ids and offsets of `Vocabulary.tokenizer()`, several times as fast.

Characters that always stand alone (Chinese ones, punctuation) are looked up in a table. What lies between them and
blanks is tokenised once by the tokenizer and remembered.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from tokenizers import Tokenizer

from data_builders.annotation.characters import CharacterTable, code_points
from ernie_paddle.data.samples import ranges
from ernie_paddle.text.vocabulary import Vocabulary

MOST_REMEMBERED = 300_000  # runs of characters; then all are forgotten, so that memory is bounded
_BLANK, _IN_RUN = -1, -2
_FRAME = "a"


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text [tokens]: ids, where they start and end in it (characters), and whether they open a word.

    Pieces inside a word, written `##...`, do not.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    opens_word: np.ndarray


class BlockTokenizer:
    """Tokenises long texts with one vocabulary (lower-cased)."""

    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary
        self._table = CharacterTable(self._kind)
        self._known: dict[str, int]
        self._firsts: np.ndarray
        self._counts: np.ndarray
        self._pieces: np.ndarray
        self._forget()

    def __call__(self, text: str) -> Tokens:
        kinds = self._table(code_points(text))
        inside = np.concatenate([[False], kinds == _IN_RUN, [False]])
        starts = np.flatnonzero(inside[1:-1] & ~inside[:-2])
        ends = np.flatnonzero(inside[1:-1] & ~inside[2:]) + 1
        runs = self._numbers([text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])
        alone = np.flatnonzero(kinds >= 0)
        counts = np.zeros(len(kinds), np.int64)  # tokens that begin at a character
        counts[alone] = 1
        counts[starts] = self._counts[runs]
        place = np.cumsum(counts) - counts
        result = {name: np.empty(int(counts.sum()), np.int64) for name in ("ids", "starts", "ends")}
        single = place[alone]
        result["ids"][single], result["starts"][single], result["ends"][single] = kinds[alone], alone, alone + 1
        target = ranges(place[starts], counts[starts])
        source = ranges(self._firsts[runs], counts[starts])
        offset = np.repeat(starts, counts[starts])
        result["ids"][target] = self._pieces[0, source]
        result["starts"][target] = self._pieces[1, source] + offset
        result["ends"][target] = self._pieces[2, source] + offset
        ids = result["ids"].astype(np.int32)
        return Tokens(ids, result["starts"], result["ends"], ~self._vocabulary.continues_word[ids])

    def _numbers(self, runs: list[str]) -> np.ndarray:
        """The number of each run in what is remembered."""
        if len(self._known) > MOST_REMEMBERED:
            self._forget()
        new = sorted({run for run in runs if run not in self._known})
        if new:
            self._remember(new)
        return np.fromiter(map(self._known.__getitem__, runs), np.int64, len(runs))

    def _remember(self, runs: list[str]) -> None:
        encodings = self._tokenizer.encode_batch(runs, add_special_tokens=False)
        self._known.update(zip(runs, range(len(self._known), len(self._known) + len(runs)), strict=True))
        counts = np.fromiter(map(len, encodings), np.int64, len(runs))
        ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), np.int64, int(counts.sum()))
        offsets = np.array([pair for e in encodings for pair in e.offsets], np.int64).reshape(-1, 2)
        self._firsts = np.concatenate([self._firsts, self._pieces.shape[1] + np.cumsum(counts) - counts])
        self._counts = np.concatenate([self._counts, counts])
        self._pieces = np.concatenate([self._pieces, np.stack([ids, *offsets.T])], axis=1)

    def _forget(self) -> None:
        self._known = {}
        self._firsts = np.empty(0, np.int64)
        self._counts = np.empty(0, np.int64)
        self._pieces = np.empty((3, 0), np.int64)

    def _kind(self, character: str) -> int:
        """The id of a character that always stands alone, else whether it parts words or belongs to one."""
        framed = f"{_FRAME}{character}{_FRAME}"
        words = self._tokenizer.pre_tokenizer.pre_tokenize_str(self._tokenizer.normalizer.normalize_str(framed))
        match [word for word, _ in words]:
            case [first, last] if first == last == _FRAME:
                return _BLANK
            case [first, middle, last] if first == last == _FRAME and len(middle) == 1:
                return self._vocabulary.ids.get(middle, self._vocabulary.unk_id)
        return _IN_RUN

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return self._vocabulary.tokenizer()
