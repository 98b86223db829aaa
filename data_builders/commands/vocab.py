"""`ernie-paddle vocab`."""

import argparse
import sys
from pathlib import Path

from data_builders.readers.reader import Reader
from data_builders.vocabulary import corpus_argument, train_vocabulary
from ernie_paddle.arguments import positive
from ernie_paddle.errors import UserError
from ernie_paddle.outputs import output_file
from ernie_paddle.registry import Command, Registry
from ernie_paddle.text.encodings import text_codec
from ernie_paddle.text.vocabulary import TOKENIZER_CONFIG, check_file_name


def add_corpora(parser: argparse.ArgumentParser) -> None:
    """Add the corpora and their encoding, which `chosen_corpora` and `chosen_encoding` read."""
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS", help="FORMAT:PATH, or a path whose suffix determines the format"
    )
    parser.add_argument("--encoding", help="encoding of all corpora, a Python codec such as gb18030 (default: utf-8)")


def chosen_corpora(args: argparse.Namespace, registry: Registry) -> list[tuple[Reader, Path]]:
    """Return the corpora that were named, with their readers.

    Raises:
        UserError: a format is unknown, or cannot be determined.
    """
    return [corpus_argument(corpus, registry) for corpus in args.corpora]


def chosen_encoding(args: argparse.Namespace) -> str | None:
    """Return the encoding that was named, None for UTF-8.

    Raises:
        UserError: Python has no such codec.
    """
    try:
        return text_codec(args.encoding) if args.encoding else None
    except ValueError as error:
        raise UserError(f"--encoding: {error}") from None


def configure(parser: argparse.ArgumentParser) -> None:
    add_corpora(parser)
    parser.add_argument(
        "--size",
        type=positive,
        required=True,
        help="number of entries, special tokens included; fewer if the corpora have too few characters and word pieces",
    )
    parser.add_argument("--out", type=output_file, required=True, help="vocab.txt to write, one token per line")
    parser.add_argument(
        "--cased",
        action="store_true",
        help=f"keep capital letters and accents; writes {TOKENIZER_CONFIG} beside vocab.txt (default: lower-cased)",
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    check_file_name(args.out, not args.cased)
    corpora, encoding = chosen_corpora(args, registry), chosen_encoding(args)
    vocabulary = train_vocabulary(corpora, args.size, encoding, lower_case=not args.cased)
    vocabulary.save(args.out)
    print(f"{args.out}: {vocabulary.size:,} entries, {vocabulary.case}")
    if vocabulary.size < args.size:
        print("note: fewer than --size: the corpora have no more characters and pieces", file=sys.stderr)


COMMAND = Command(
    name="vocab",
    help="train a WordPiece vocabulary on corpora",
    example="ernie-paddle vocab --size 8000 --out vocab.txt text:articles.txt mediawiki:enwiki.xml.bz2",
    configure=configure,
    run=run,
)
