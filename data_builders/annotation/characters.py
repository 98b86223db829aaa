"""Properties of characters, looked up for a whole text at once."""

from collections.abc import Callable
from functools import cache

import numpy as np

from ernie_paddle.data.samples import IGNORED

_UNKNOWN = np.iinfo(np.int32).min
_POINTS = 0x110000


def code_points(text: str) -> np.ndarray:
    """The code points of a text, [characters] uint32."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


class CharacterTable:
    """A property of characters, worked out for each when it is first met.

    Called with code points [characters] it returns their values [characters] int32.
    """

    def __init__(self, value: Callable[[str], int]):
        self._value = value
        self._values = np.full(_POINTS, _UNKNOWN, np.int32)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        values = self._values[points]
        unknown = values == _UNKNOWN
        if unknown.any():
            for point in np.unique(points[unknown]).tolist():
                self._values[point] = self._value(chr(point))
            values = self._values[points]
        return values


@cache
def letters_and_digits() -> CharacterTable:
    """1 for letters and digits of any script, else 0."""
    return CharacterTable(lambda character: int(character.isalnum()))


@cache
def cases() -> CharacterTable:
    """1 upper or title case, 0 lower case, -1 without case."""
    return CharacterTable(lambda c: 1 if c.isupper() or c.istitle() else 0 if c.islower() else IGNORED)


def set_table(*sets: frozenset[str]) -> CharacterTable:
    """Bit i is set for the characters of the i-th set."""
    return CharacterTable(lambda character: sum((character in chosen) << bit for bit, chosen in enumerate(sets)))
