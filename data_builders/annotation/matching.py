"""Finding known sequences of words in a text."""

from collections.abc import Iterable


class SequenceMatcher:
    """Finds sequences of two or more words, the longest first, from left to right and without overlap."""

    def __init__(self, sequences: Iterable[tuple[str, ...]]):
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for sequence in sorted(set(sequences), key=lambda words: (-len(words), words)):
            if len(sequence) > 1:
                self._by_first.setdefault(sequence[0], []).append(sequence)

    def find(self, words: list[str]) -> list[tuple[int, int]]:
        """Where sequences stand: number of the first word, and of the one after the last."""
        found, free = [], 0
        for place in [i for i, word in enumerate(words) if word in self._by_first]:
            if place < free:
                continue
            for sequence in self._by_first[words[place]]:
                if tuple(words[place : place + len(sequence)]) == sequence:
                    free = place + len(sequence)
                    found.append((place, free))
                    break
        return found
