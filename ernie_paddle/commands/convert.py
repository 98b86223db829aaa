"""`ernie-paddle convert`."""

import argparse
from pathlib import Path

from ernie_paddle.arguments import RUNS
from ernie_paddle.console import open_console, print_table
from ernie_paddle.errors import UserError
from ernie_paddle.outputs import check_empty, output_folder
from ernie_paddle.registry import Command, Registry
from ernie_paddle.weights.conversion import LAYOUTS, read_source, recognise, write_model
from ernie_paddle.weights.heads import corrected


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help=f"folder of a model in any of the layouts; {RUNS}")
    parser.add_argument("--out", type=output_folder, required=True, help="folder to write, new or empty")
    parser.add_argument("--to", choices=LAYOUTS, default="ernie-paddle", help="layout to write (default: ernie-paddle)")
    parser.add_argument("--vocab", type=Path, help="vocabulary to use instead of the source's vocab.txt")
    parser.add_argument("--config", type=Path, help="configuration to use instead of the source's, in the same layout")
    parser.add_argument(
        "--labels",
        nargs="+",
        action="extend",
        metavar="LABEL",
        help="label names of a fine-tuned model, in the order of their ids",
    )
    parser.add_argument("--max-length", type=int, help="longest input of a fine-tuned model in tokens")


def run(args: argparse.Namespace, registry: Registry) -> None:
    source, target = recognise(args.source), LAYOUTS[args.to]
    if source is target:
        raise UserError(f"{args.source}: already has the layout {source.name}; choose another with --to")
    check_empty(args.out)
    console = open_console()
    console.print(f"{args.source}: layout {source.name}, {source.files}", soft_wrap=True)
    model, report = read_source(source, args.source, args.config, args.vocab, registry)
    print_table(console, report.table())
    report.check()
    model = corrected(model, args.labels, args.max_length)
    written = write_model(target, args.out, model, registry)
    for note in report.notes + written.notes:
        console.print(f"note: {note}", soft_wrap=True)
    print(f"{args.out}: written in layout {target.name}, {written.tensors:,} tensors")


COMMAND = Command(
    name="convert",
    help="convert a model of the original release, PaddleNLP or Hugging Face to a checkpoint, or back",
    example="ernie-paddle convert ERNIE_Base_en_stable-2.0.0 --out models/ernie_2.0_base_en\n"
    "  ernie-paddle convert runs/reviews/best --to huggingface --out reviews_huggingface",
    configure=configure,
    run=run,
)
