"""`ernie-paddle vocab-add`."""

import argparse
from pathlib import Path

from ernie_paddle.arguments import RUNS, input_file
from ernie_paddle.files import atomic_folder
from ernie_paddle.model.growing import add_words, read_words
from ernie_paddle.model.saved import load_model, save_model
from ernie_paddle.outputs import check_empty, output_folder
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"model to add words to; {RUNS}")
    parser.add_argument("words", type=input_file, help="file with one word on each line")
    parser.add_argument("--out", type=output_folder, required=True, help="folder to write, new or empty")


def run(args: argparse.Namespace, registry: Registry) -> None:
    check_empty(args.out)
    model = load_model(args.model)
    words = read_words(args.words, model.vocabulary)
    grown = add_words(model, words)
    with atomic_folder(args.out) as partial:
        save_model(partial, grown)
    before, after = model.config.vocab_size, grown.config.vocab_size
    free = len(words) - (after - before)
    print(f"{args.out}: {len(words):,} words added, {free:,} in free rows; vocab_size was {before:,} and is {after:,}")


COMMAND = Command(
    name="vocab-add",
    help="add words to the vocabulary of a model",
    example="ernie-paddle vocab-add models/ernie_2.0_base_en words.txt --out models/ernie_2.0_base_en_medical",
    configure=configure,
    run=run,
)
