"""Finding known sequences of words or of characters in a text."""

from collections.abc import Iterable

# Characters that BERT's tokenizer sets apart (`tokenize_chinese_chars`).
_CHINESE = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x20000, 0x2CEAF), (0x2F800, 0x2FA1F))


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


class TextMatcher:
    """Finds known texts of two or more characters, the longest first, from left to right and without overlap.

    A text is not found within a longer run of letters and digits that the tokenizer does not part, as `phone 1` is not
    in `iphone 12`; Chinese characters always stand alone.
    """

    def __init__(self, texts: Iterable[str]):
        self._by_start: dict[str, list[str]] = {}
        for text in sorted(set(texts), key=lambda text: (-len(text), text)):
            self._by_start.setdefault(text[:2], []).append(text)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Where known texts stand: number of the first character, and of the one after the last."""
        if not self._by_start:
            return []
        found, free = [], 0
        for place in [i for i in range(len(text) - 1) if text[i : i + 2] in self._by_start]:
            if place < free:
                continue
            for known in self._by_start[text[place : place + 2]]:
                after = place + len(known)
                if text.startswith(known, place) and not (_runs_on(text, place) or _runs_on(text, after)):
                    found.append((place, after))
                    free = after
                    break
        return found


def _runs_on(text: str, place: int) -> bool:
    """Do the characters on both sides of a place belong to one run?"""
    return 0 < place < len(text) and _in_run(text[place - 1]) and _in_run(text[place])


def _in_run(character: str) -> bool:
    return character.isalnum() and not any(first <= ord(character) <= last for first, last in _CHINESE)
