"""`ernie-paddle vocab`."""

import argparse
import sys

from data_builders.vocabulary import corpus_argument, train_vocabulary
from ernie_paddle.arguments import positive
from ernie_paddle.errors import UserError
from ernie_paddle.outputs import output_file
from ernie_paddle.registry import Command, Registry
from ernie_paddle.text.encodings import text_codec


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS", help="FORMAT:PATH, or a path whose suffix determines the format"
    )
    parser.add_argument(
        "--size",
        type=positive,
        required=True,
        help="number of entries, special tokens included; fewer if the corpora have too few characters and word pieces",
    )
    parser.add_argument("--encoding", help="encoding of all corpora, a Python codec such as gb18030 (default: utf-8)")
    parser.add_argument("--out", type=output_file, required=True, help="vocab.txt to write, one token per line")


def run(args: argparse.Namespace, registry: Registry) -> None:
    try:
        encoding = args.encoding and text_codec(args.encoding)
    except ValueError as error:
        raise UserError(f"--encoding: {error}") from None
    vocabulary = train_vocabulary([corpus_argument(corpus, registry) for corpus in args.corpora], args.size, encoding)
    vocabulary.save(args.out)
    print(f"{args.out}: {vocabulary.size:,} entries")
    if vocabulary.size < args.size:
        print("note: fewer than --size: the corpora have no more characters and pieces", file=sys.stderr)


COMMAND = Command(
    name="vocab",
    help="train a lower-cased WordPiece vocabulary on corpora",
    example="ernie-paddle vocab --size 8000 --out vocab.txt text:articles.txt mediawiki:enwiki.xml.bz2",
    configure=configure,
    run=run,
)
