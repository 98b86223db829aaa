"""What a prediction may be: a label, a score, a choice among candidates, a text."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

MOST_NAMES = 20  # labels that a message lists


@dataclass(frozen=True)
class Item:
    """A row or question of a test file: its id as it stands there and, if it offers candidates, how many."""

    id: str | int
    candidates: int = 0


class Answer(Protocol):
    """One kind of prediction."""

    def official(self, predicted: str) -> Any:
        """A prediction as the leaderboard takes it; a `ValueError` says what is wrong with it."""

    def problem(self, value: Any, item: Item) -> str | None:
        """What is wrong with a value of a submission, or None."""


@dataclass(frozen=True)
class Label:
    """One of the names that the leaderboard knows."""

    names: tuple[str, ...]

    def official(self, predicted: str) -> str:
        return predicted

    def problem(self, value: Any, item: Item) -> str | None:
        if isinstance(value, str) and value in self.names:
            return None
        all_of_them = len(self.names) <= MOST_NAMES
        known = ", ".join(self.names) if all_of_them else f"{self.names[0]} to {self.names[-1]}"
        return f"{value!r} is no label; labels are texts: {known}"


@dataclass(frozen=True)
class Score:
    """A number from 0 to 5 with 3 decimals; predictions beyond are clipped."""

    highest: float = 5.0

    def official(self, predicted: str) -> str:
        number = self._number(predicted)
        if not math.isfinite(number):
            raise ValueError(f"{predicted!r} is no number")
        return f"{min(max(0.0, number), self.highest):.3f}"

    def problem(self, value: Any, item: Item) -> str | None:
        if 0 <= self._number(value) <= self.highest:
            return None
        return f"{value!r} is no number from 0 to {self.highest:g}"

    @staticmethod
    def _number(text: Any) -> float:
        try:
            return float(text)
        except (TypeError, ValueError):
            return math.nan


@dataclass(frozen=True)
class Choice:
    """The place of the chosen candidate, from 0."""

    def official(self, predicted: str) -> int:
        if not (predicted.isascii() and predicted.isdigit()):
            raise ValueError(f"{predicted!r} is not the number of a candidate")
        return int(predicted)

    def problem(self, value: Any, item: Item) -> str | None:
        if type(value) is int and 0 <= value < item.candidates:
            return None
        return f"{value!r} is not the number of a candidate, 0 to {item.candidates - 1}"


@dataclass(frozen=True)
class Text:
    """Any text, also an empty one."""

    def official(self, predicted: str) -> str:
        return predicted

    def problem(self, value: Any, item: Item) -> str | None:
        return None if isinstance(value, str) else f"{value!r} is not a text"
