"""Properties of characters, looked up for all characters of a text at once."""

from collections.abc import Callable
from functools import cache

import numpy as np

from ernie_paddle.data.schema import IGNORED

_UNKNOWN = np.iinfo(np.int32).min
_POINTS = 0x110000


def code_points(text: str) -> np.ndarray:
    """Return the code points of a text, uint32 [characters]."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


class CharacterTable:
    """A property of characters, computed for each character when it is first looked up.

    Maps code points [characters] to values, int32 [characters].
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
    """Return a table with 1 for letters and digits of any script, 0 for other characters."""
    return CharacterTable(lambda character: int(character.isalnum()))


@cache
def cases() -> CharacterTable:
    """Return a table with 1 for upper and title case, 0 for lower case, -1 for characters without case."""
    return CharacterTable(lambda c: 1 if c.isupper() or c.istitle() else 0 if c.islower() else IGNORED)


def set_table(*sets: frozenset[str]) -> CharacterTable:
    """Return a table of bit masks; bit i is set for the characters of the i-th set."""
    return CharacterTable(lambda character: sum((character in chosen) << bit for bit, chosen in enumerate(sets)))
