"""English phrases mined from a corpus by gensim: words that stand together more often than chance would have it."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from data_builders.annotation.function_words import ENGLISH_FUNCTION_WORDS
from ernie_paddle.config import Settings

MOST_COUNTED = 2_000_000  # words and pairs that gensim keeps count of
_BETWEEN = "_"


class PhraseSettings(Settings):
    """What makes a phrase: occurrences at least, normalised pointwise mutual information at least (1 is the most).

    `read_megabytes`: how much text of a corpus is read for them, from its beginning.
    """

    least_count: int = Field(default=10, ge=1)
    least_score: float = Field(default=0.4, gt=-1, lt=1)
    read_megabytes: float = Field(default=20, gt=0)


def mine_phrases(sentences: Iterable[list[str]], settings: PhraseSettings) -> tuple[tuple[str, ...], ...]:
    """Phrases of two words, and of connecting words between them ("bank of america"), in alphabetical order.

    Args:
        sentences: lower-cased words; signs part phrases.
    """
    from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS, Phrases  # takes a second to import

    found = Phrases(
        _without_signs(sentences),
        min_count=settings.least_count,
        threshold=settings.least_score,
        scoring="npmi",
        max_vocab_size=MOST_COUNTED,
        delimiter=_BETWEEN,
        connector_words=ENGLISH_CONNECTOR_WORDS,
    ).export_phrases()
    phrases = (tuple(phrase.split(_BETWEEN)) for phrase in found)
    return tuple(sorted(words for words in phrases if not {words[0], words[-1]} & ENGLISH_FUNCTION_WORDS))


def _without_signs(sentences: Iterable[list[str]]) -> Iterator[list[str]]:
    for sentence in sentences:
        piece: list[str] = []
        for word in sentence:
            if word.isalpha():
                piece.append(word)
            elif piece:
                yield piece
                piece = []
        if piece:
            yield piece
