"""Training of a WordPiece vocabulary on raw corpora, and its coverage of texts.

The trainer of the tokenizers library breaks ties at random: it leaves out any of the characters that are equally
frequent, numbers the pieces of words in the order of a hash map, and prefers pairs of pieces with low numbers. Here the
characters are counted and numbered first, which leaves no tie open.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.trainers import WordPieceTrainer

from data_builders.readers.files import PACKED_SUFFIXES
from data_builders.readers.reader import RawCorpus, Reader
from ernie_paddle.data.encoding import tokenized
from ernie_paddle.errors import UserError
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import CONTINUATION, SPECIAL_TOKENS, Vocabulary

CHARACTER_SHARE = 0.75  # maximum share of single characters while there are pieces of words; Chinese has thousands
MOST_CHUNKS = 1_000_000  # texts between blanks that are counted in memory before they are split into characters
LEAST_COUNT = 2  # occurrences of a piece of several characters
TEXTS_TOGETHER = 1000  # that are tokenised at once


@dataclass(frozen=True)
class Characters:
    """The counts of characters at the beginning of words and later in words. Every Chinese character is a word."""

    first: Counter[str]
    later: Counter[str]

    @classmethod
    def count(cls, texts: Iterator[str], tokenizer: Tokenizer) -> "Characters":
        """Count the characters of texts as `tokenizer` normalises and splits them."""
        characters, chunks = cls(Counter(), Counter()), Counter[str]()
        for text in texts:
            chunks.update(tokenizer.normalizer.normalize_str(text).split(" "))
            if len(chunks) > MOST_CHUNKS:
                characters._add(chunks, tokenizer)
                chunks.clear()
        characters._add(chunks, tokenizer)
        return characters

    def _add(self, chunks: Counter[str], tokenizer: Tokenizer) -> None:
        """Add the characters of texts without blanks, by their number of occurrences."""
        for chunk, count in chunks.items():
            for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(chunk):
                self.first[word[0]] += count
                for character in word[1:]:
                    self.later[character] += count

    def ranked(self) -> list[str]:
        """Return the characters from the most to the least frequent; equally frequent ones in code-point order."""
        counts = self.first + self.later
        return sorted(counts, key=lambda character: (-counts[character], character))

    def pieces(self, character: str) -> list[str]:
        """Return the vocabulary entries of a character: itself and, if it occurs later in words, its continuation."""
        return [character, CONTINUATION + character] if character in self.later else [character]


def train_vocabulary(
    corpora: list[tuple[Reader, Path]], size: int, encoding: str | None = None, lower_case: bool = True
) -> Vocabulary:
    """Train a vocabulary of `size` entries, which depends on nothing but the texts of the corpora.

    The entries are the special tokens, the most frequent characters (at most three quarters) and merged pieces of words
    (WordPiece as in the tokenizers library). Chinese is split into characters. When no merged piece occurs twice, the
    next most frequent characters take the remaining entries. There are fewer entries only if characters run out, too.

    Args:
        encoding: the encoding of all corpora; None for UTF-8.
        lower_case: whether text is lower-cased and loses its accents.

    Raises:
        UserError: a corpus cannot be read, or `size` is too small.
    """
    if size < 10 * len(SPECIAL_TOKENS):
        raise UserError(f"--size {size}: a vocabulary needs at least {10 * len(SPECIAL_TOKENS)} entries")
    tokenizer = Vocabulary({token: i for i, token in enumerate(SPECIAL_TOKENS)}, lower_case).tokenizer
    characters = Characters.count(paragraphs(corpora, encoding), tokenizer)
    ranked = characters.ranked()
    kept = list(_most_frequent(characters, ranked, int(size * CHARACTER_SHARE)))
    numbered = sorted(chain.from_iterable(map(characters.pieces, kept)), key=lambda piece: (len(piece), piece))
    trainer = WordPieceTrainer(
        vocab_size=size,
        min_frequency=LEAST_COUNT,
        initial_alphabet=kept,
        limit_alphabet=len(kept),
        special_tokens=[*SPECIAL_TOKENS, *numbered],  # the trainer numbers these first, in this order
        show_progress=False,
    )
    tokenizer.train_from_iterator(paragraphs(corpora, encoding), trainer)
    ids = tokenizer.get_vocab()
    entries = sorted(ids, key=lambda token: ids[token])
    others = chain.from_iterable(map(characters.pieces, ranked[len(kept) :]))
    entries += islice(others, size - len(entries))
    return Vocabulary({token: i for i, token in enumerate(entries)}, lower_case)


def _most_frequent(characters: Characters, ranked: list[str], entries: int) -> Iterator[str]:
    """Yield the most frequent characters whose pieces take at most `entries` entries."""
    for character in ranked:
        entries -= len(characters.pieces(character))
        if entries < 0:
            return
        yield character


@dataclass(frozen=True)
class Coverage:
    """How a vocabulary covers texts: their words, the tokens that these become, and the unknown ones among them.

    Words are what the tokenizer looks up: every Chinese character and every sign is one. An unknown word is one token.
    """

    words: int
    tokens: int
    unknown: int

    @property
    def unknown_share(self) -> float:
        """The share of unknown tokens, 0 without tokens."""
        return self.unknown / max(self.tokens, 1)

    @property
    def tokens_per_word(self) -> float:
        """The mean number of tokens of a word (fertility in Rust et al. 2021), 0 without words."""
        return self.tokens / max(self.words, 1)


def coverage(texts: Iterable[str], vocabulary: Vocabulary) -> Coverage:
    """Return how a vocabulary covers texts."""
    remaining = iter(texts)
    words = tokens = unknown = 0
    while together := list(islice(remaining, TEXTS_TOGETHER)):
        for encoding in tokenized(together, vocabulary):
            tokens += len(encoding.ids)
            unknown += encoding.ids.count(vocabulary.unk_id)
            words += len(set(encoding.word_ids))
    return Coverage(words, tokens, unknown)


def corpus_argument(text: str, registry: Registry) -> tuple[Reader, Path]:
    """Parse `FORMAT:PATH`, or a path whose suffix determines the format.

    Raises:
        UserError: the format is unknown, or cannot be determined.
    """
    name, colon, rest = text.partition(":")
    if colon and not rest:
        raise UserError(f"{text}: no path after the format; write FORMAT:PATH")
    if colon and not Path(text).exists():
        return registry.readers.get(name, text), Path(rest)
    for reader in registry.readers:
        if text.endswith(tuple(suffix + packed for suffix in reader.suffixes for packed in PACKED_SUFFIXES)):
            return reader, Path(text)
    raise UserError(f"{text}: write FORMAT:PATH; formats are {', '.join(registry.readers.names())}")


def paragraphs(corpora: list[tuple[Reader, Path]], encoding: str | None) -> Iterator[str]:
    """Yield the titles and paragraphs of corpora.

    Raises:
        UserError: a corpus cannot be read.
    """
    for reader, path in corpora:
        for document in RawCorpus(path.name, path, reader, "en", encoding).documents():
            if document.title:
                yield document.title
            yield from document.paragraphs
