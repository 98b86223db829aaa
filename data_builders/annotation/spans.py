"""Spans that knowledge masking hides whole: words and named entities over the characters of a text.

Both functions work on many sentences at once, laid end to end in one string of characters.
"""

from dataclasses import dataclass

import numpy as np
import rjieba

from data_builders.annotation.document import ORDINARY_WORD, PUNCTUATION, STOP_WORD
from data_builders.annotation.function_words import ENGLISH_FUNCTION_WORDS
from ernie_paddle.data.samples import NAMED_ENTITY, WORD

# jieba's tags: persons, places, organisations, other proper names.
_ENTITY_TAGS = ("nr", "ns", "nt", "nz")
# jieba's tags of closed classes: adverbs, conjunctions, particles, prepositions, pronouns, locatives, interjections.
_FUNCTION_TAGS = ("c", "d", "e", "f", "o", "p", "r", "u", "y")
# Capitalised only because they open a sentence.
_OPENERS = frozenset(
    "a after all although an and another as at because before both but by during each even every few first for "
    "from further he her here his how however if in into it its later like many more most much no not of on once "
    "one only or other our over several she since so some such that the their then there these they this those "
    "though three through thus to two under unlike until upon we what when where whereas which while who why with "
    "within you your".split()
)


@dataclass(frozen=True)
class Spans:
    """Spans that together cover a text, all arrays [spans].

    `lengths` in characters, `kinds` as in the samples, `classes` of words as in annotated documents.
    """

    lengths: np.ndarray
    kinds: np.ndarray
    classes: np.ndarray


def chinese_spans(sentences: list[str]) -> Spans:
    """jieba's words (dictionary and hidden Markov model); its proper names are named entities."""
    tagged = [pair for sentence in sentences for pair in rjieba.tag(sentence)]
    lengths = np.fromiter((len(word) for word, _ in tagged), np.int64, len(tagged))
    kinds = (NAMED_ENTITY if tag.startswith(_ENTITY_TAGS) else WORD for _, tag in tagged)
    classes = (word_class(word, tag.startswith(_FUNCTION_TAGS)) for word, tag in tagged)
    return Spans(lengths, np.fromiter(kinds, np.int8, len(tagged)), np.fromiter(classes, np.int8, len(tagged)))


def english_word_classes(text: str, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The class of each word, which stand in `text` from `starts` to `ends` [words]."""
    words = (text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
    classes = (word_class(word, word.lower() in ENGLISH_FUNCTION_WORDS) for word in words)
    return np.fromiter(classes, np.int8, len(starts))


def word_class(word: str, is_function_word: bool) -> int:
    """`PUNCTUATION` where a word has neither letter nor digit."""
    if not any(map(str.isalnum, word)):
        return PUNCTUATION
    return STOP_WORD if is_function_word else ORDINARY_WORD


def english_entities(
    text: str, starts: np.ndarray, ends: np.ndarray, capitalized: np.ndarray, first: np.ndarray
) -> np.ndarray:
    """Words that continue a named entity: a run of two or more capitalised words with one blank between them.

    A word that opens a sentence counts only if it is not a common opener such as "The".

    Args:
        text: the sentences, laid end to end.
        starts, ends: where each word stands in it [words].
        capitalized: is the word's first letter a capital [words].
        first: does the word open a sentence [words].

    Returns:
        for each word, whether it belongs to the same entity as the word before it [words].
    """
    named = capitalized.copy()
    for word in np.flatnonzero(first & capitalized):
        named[word] = text[starts[word] : ends[word]].lower() not in _OPENERS
    continues = np.zeros(len(starts), bool)
    continues[1:] = named[1:] & named[:-1] & ~first[1:] & (starts[1:] == ends[:-1] + 1)
    return continues
