"""The hashes that tell words apart."""

from itertools import permutations

import numpy as np

from data_builders.annotation.document import word_keys


def test_words_have_the_same_key_if_and_only_if_their_tokens_are_the_same() -> None:
    """All words of at most four pieces of a few ids, 0 included, and some long words, each at several positions."""
    pieces = (0, 1, 2, 255, 256, 30_000)
    words = [word for count in range(1, 5) for word in permutations(pieces, count)]
    words += [(0,) * count for count in range(2, 6)] + [(5,) * 100, (5,) * 99 + (6,), (6,) + (5,) * 99]
    twice = [*words, *words[::-1]]
    ids = np.array([piece for word in twice for piece in word], np.int32)
    bi_tags = np.array([int(i > 0) for word in twice for i in range(len(word))], np.int8)
    found = word_keys(ids, bi_tags)
    assert (found[bi_tags == 1] == 0).all(), "only the first token of a word has a key"
    keys = found[bi_tags == 0].tolist()
    assert keys[: len(words)] == keys[: len(words) - 1 : -1]
    assert len(set(keys)) == len(set(words)) == len(words)
    assert len(word_keys(ids[:0], bi_tags[:0])) == 0
