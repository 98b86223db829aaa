"""`ernie-paddle vocab-coverage`."""

import argparse
from pathlib import Path

from rich.table import Table

from data_builders.commands.vocab import add_corpora, chosen_corpora, chosen_encoding
from data_builders.vocabulary import coverage, paragraphs
from ernie_paddle.arguments import RUNS, input_file
from ernie_paddle.console import open_console, print_table
from ernie_paddle.model.growing import read_words, with_words
from ernie_paddle.model.saved import resolve
from ernie_paddle.registry import Command, Registry
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"model, or its vocab.txt; {RUNS}")
    add_corpora(parser)
    parser.add_argument("--words", type=input_file, help="file with words to add, one on each line, to compare with")


def run(args: argparse.Namespace, registry: Registry) -> None:
    path = args.model if args.model.is_file() else resolve(args.model) / VOCABULARY_FILE
    vocabularies = {"": Vocabulary.load(path)}
    if args.words:
        words = read_words(args.words, vocabularies[""])
        vocabularies |= {"with words: ": with_words(vocabularies[""], words, vocabularies[""].size)}
    table = Table("corpus", title=f"coverage by {path}, {vocabularies[''].case}")
    table.add_column("words", justify="right")
    for name in vocabularies:
        for column in ("tokens", "unknown", "tokens per word"):
            table.add_column(name + column, justify="right")
    encoding = chosen_encoding(args)
    for argument, corpus in zip(args.corpora, chosen_corpora(args, registry), strict=True):
        found = [coverage(paragraphs([corpus], encoding), vocabulary) for vocabulary in vocabularies.values()]
        cells = ((f"{one.tokens:,}", f"{one.unknown_share:.3%}", f"{one.tokens_per_word:.3f}") for one in found)
        table.add_row(argument, f"{found[0].words:,}", *(cell for row in cells for cell in row))
    print_table(open_console(), table)


COMMAND = Command(
    name="vocab-coverage",
    help="print how the vocabulary of a model covers texts: unknown tokens, and tokens per word",
    example="ernie-paddle vocab-coverage models/ernie_2.0_base_en text:articles.txt --words words.txt",
    configure=configure,
    run=run,
)
