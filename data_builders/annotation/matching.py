"""Matchers of known sequences of words or characters."""

from collections.abc import Iterable

# Characters that BERT's tokenizer separates (`tokenize_chinese_chars`).
_CHINESE = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x20000, 0x2CEAF), (0x2F800, 0x2FA1F))


class SequenceMatcher:
    """A matcher of sequences of two or more words: leftmost longest matches without overlap."""

    def __init__(self, sequences: Iterable[tuple[str, ...]]):
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for sequence in sorted(set(sequences), key=lambda words: (-len(words), words)):
            if len(sequence) > 1:
                self._by_first.setdefault(sequence[0], []).append(sequence)

    def find(self, words: list[str]) -> list[tuple[int, int]]:
        """Return the matches `(first word, word after the last)`."""
        matches, free = [], 0
        for start in [i for i, word in enumerate(words) if word in self._by_first]:
            if start < free:
                continue
            for sequence in self._by_first[words[start]]:
                if tuple(words[start : start + len(sequence)]) == sequence:
                    free = start + len(sequence)
                    matches.append((start, free))
                    break
        return matches


class TextMatcher:
    """A matcher of texts of two or more characters: leftmost longest matches without overlap.

    A match must not begin or end inside a run of letters and digits: `phone 1` does not match in `iphone 12`. Chinese
    characters never form a run.
    """

    def __init__(self, texts: Iterable[str]):
        self._by_start: dict[str, list[str]] = {}
        for text in sorted(set(texts), key=lambda text: (-len(text), text)):
            self._by_start.setdefault(text[:2], []).append(text)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Return the matches `(first character, character after the last)`."""
        if not self._by_start:
            return []
        matches, free = [], 0
        for start in [i for i in range(len(text) - 1) if text[i : i + 2] in self._by_start]:
            if start < free:
                continue
            for known in self._by_start[text[start : start + 2]]:
                end = start + len(known)
                if text.startswith(known, start) and not (_inside_run(text, start) or _inside_run(text, end)):
                    matches.append((start, end))
                    free = end
                    break
        return matches


def _inside_run(text: str, position: int) -> bool:
    """Return whether the characters before and at a position belong to the same run."""
    return 0 < position < len(text) and _in_run(text[position - 1]) and _in_run(text[position])


def _in_run(character: str) -> bool:
    return character.isalnum() and not any(first <= ord(character) <= last for first, last in _CHINESE)
