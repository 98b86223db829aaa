"""English phrases mined from a corpus with gensim: words that occur together more often than by chance."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from data_builders.annotation.function_words import ENGLISH_FUNCTION_WORDS
from ernie_paddle.config import Settings

MAX_VOCABULARY = 2_000_000  # words and pairs that gensim counts
_DELIMITER = "_"


class PhraseSettings(Settings):
    """The criteria for phrases."""

    least_count: int = Field(default=10, ge=1)
    """Occurrences that a phrase has at least."""
    least_score: float = Field(default=0.4, gt=-1, lt=1)
    """Normalised pointwise mutual information that it has at least; 1 is the most."""
    read_megabytes: float = Field(default=20, gt=0)
    """Millions of characters, from the beginning of a corpus, that are read for phrases."""


def mine_phrases(sentences: Iterable[list[str]], settings: PhraseSettings) -> tuple[tuple[str, ...], ...]:
    """Return phrases of two words, with or without connecting words ("bank of america"), in alphabetical order.

    Args:
        sentences: lower-cased words; a phrase does not extend over punctuation.
    """
    from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS, Phrases  # takes a second to import

    joined = Phrases(
        _without_punctuation(sentences),
        min_count=settings.least_count,
        threshold=settings.least_score,
        scoring="npmi",
        max_vocab_size=MAX_VOCABULARY,
        delimiter=_DELIMITER,
        connector_words=ENGLISH_CONNECTOR_WORDS,
    ).export_phrases()
    phrases = (tuple(phrase.split(_DELIMITER)) for phrase in joined)
    return tuple(sorted(words for words in phrases if not {words[0], words[-1]} & ENGLISH_FUNCTION_WORDS))


def _without_punctuation(sentences: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the runs of alphabetic words in sentences."""
    for sentence in sentences:
        run: list[str] = []
        for word in sentence:
            if word.isalpha():
                run.append(word)
            elif run:
                yield run
                run = []
        if run:
            yield run
