"""Training of a WordPiece vocabulary on raw corpora."""

from collections.abc import Iterator
from pathlib import Path

from tokenizers import BertWordPieceTokenizer

from data_builders.readers.files import PACKED_SUFFIXES
from data_builders.readers.reader import RawCorpus, Reader
from ernie_paddle.errors import UserError
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary

ALPHABET_SHARE = 0.75  # maximum share of single characters; Chinese has thousands


def train_vocabulary(corpora: list[tuple[Reader, Path]], size: int, encoding: str | None = None) -> Vocabulary:
    """Train a lower-cased vocabulary of at most `size` entries, special tokens first; Chinese is split into characters.

    Args:
        encoding: the encoding of all corpora; None for UTF-8.

    Raises:
        UserError: a corpus cannot be read, or `size` is too small.
    """
    if size < 10 * len(SPECIAL_TOKENS):
        raise UserError(f"--size {size}: a vocabulary needs at least {10 * len(SPECIAL_TOKENS)} entries")
    trainer = BertWordPieceTokenizer(lowercase=True)
    trainer.train_from_iterator(
        _paragraphs(corpora, encoding),
        vocab_size=size,
        limit_alphabet=int(size * ALPHABET_SHARE),
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    return Vocabulary(trainer.get_vocab())


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


def _paragraphs(corpora: list[tuple[Reader, Path]], encoding: str | None) -> Iterator[str]:
    for reader, path in corpora:
        for document in RawCorpus(path.name, path, reader, "en", encoding).documents():
            if document.title:
                yield document.title
            yield from document.paragraphs
