"""The types of predictions: a label, a score, a choice among candidates, a text."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

MOST_NAMES = 20  # labels that a message lists one by one


@dataclass(frozen=True)
class ExpectedRow:
    """A row or question of a test file: its id, and its number of candidates, if it has any."""

    id: str | int
    candidates: int = 0


class PredictionType(Protocol):
    """A type of prediction."""

    def leaderboard_value(self, predicted: str) -> Any:
        """Return a prediction in the leaderboard's form, or raise a `ValueError`."""

    def error(self, value: Any, row: ExpectedRow) -> str | None:
        """Return the error in a value of a submission, or None."""


@dataclass(frozen=True)
class Label:
    """One of the leaderboard's label names."""

    names: tuple[str, ...]

    def leaderboard_value(self, predicted: str) -> str:
        return predicted

    def error(self, value: Any, row: ExpectedRow) -> str | None:
        if isinstance(value, str) and value in self.names:
            return None
        few = len(self.names) <= MOST_NAMES
        known = ", ".join(self.names) if few else f"{self.names[0]} to {self.names[-1]}"
        return f"{value!r} is not a label; labels are texts: {known}"


@dataclass(frozen=True)
class Number:
    """A number from 0 to 5 with 3 decimals. Predictions outside this range are clipped."""

    highest: float = 5.0

    def leaderboard_value(self, predicted: str) -> str:
        number = self._number(predicted)
        if not math.isfinite(number):
            raise ValueError(f"{predicted!r} is not a number")
        return f"{min(max(0.0, number), self.highest):.3f}"

    def error(self, value: Any, row: ExpectedRow) -> str | None:
        if 0 <= self._number(value) <= self.highest:
            return None
        return f"{value!r} is not a number from 0 to {self.highest:g}"

    @staticmethod
    def _number(text: Any) -> float:
        try:
            return float(text)
        except (TypeError, ValueError):
            return math.nan


@dataclass(frozen=True)
class Choice:
    """The number of the chosen candidate, from 0."""

    def leaderboard_value(self, predicted: str) -> int:
        if not (predicted.isascii() and predicted.isdigit()):
            raise ValueError(f"{predicted!r} is not the number of a candidate")
        return int(predicted)

    def error(self, value: Any, row: ExpectedRow) -> str | None:
        if type(value) is int and 0 <= value < row.candidates:
            return None
        return f"{value!r} is not the number of a candidate, 0 to {row.candidates - 1}"


@dataclass(frozen=True)
class Text:
    """Any text, possibly empty."""

    def leaderboard_value(self, predicted: str) -> str:
        return predicted

    def error(self, value: Any, row: ExpectedRow) -> str | None:
        return None if isinstance(value, str) else f"{value!r} is not a text"
