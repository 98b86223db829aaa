"""`ernie-paddle convert`."""

import argparse
from pathlib import Path

from ernie_paddle.console import open_console, print_whole
from ernie_paddle.errors import UserError
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry
from ernie_paddle.weights.conversion import LAYOUTS, read_source, recognise, write_model
from ernie_paddle.weights.heads import corrected


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="folder of a model, in any of these layouts")
    parser.add_argument("--out", type=output_folder, required=True, help="folder to write; must not be there yet")
    parser.add_argument("--to", choices=LAYOUTS, default="ernie-paddle", help="its layout (default: ernie-paddle)")
    parser.add_argument("--vocab", type=Path, help="vocabulary to take instead of the folder's vocab.txt")
    parser.add_argument("--config", type=Path, help="configuration of the source's layout to take instead of its own")
    parser.add_argument(
        "--labels",
        nargs="+",
        action="extend",
        metavar="LABEL",
        help="names of a fine-tuned model's labels, in their order",
    )
    parser.add_argument("--max-length", type=int, help="longest input, in tokens, that it was fine-tuned with")


def run(args: argparse.Namespace, registry: Registry) -> None:
    source, target = recognise(args.source), LAYOUTS[args.to]
    if source is target:
        raise UserError(f"{args.source}: is of layout {source.name} already; choose another with --to")
    if args.out.exists():
        raise UserError(f"{args.out}: is there already; name a new folder")
    console = open_console()
    console.print(f"{args.source}: layout {source.name}, {source.signs}", soft_wrap=True)
    model, report = read_source(source, args.source, args.config, args.vocab, registry)
    print_whole(console, report.table())
    report.check()
    model = corrected(model, args.labels, args.max_length)
    written = write_model(target, args.out, model, registry)
    for note in report.notes + written.notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)
    print(f"{args.out}: written in layout {target.name}, {written.tensors:,} tensors")


COMMAND = Command(
    name="convert",
    help="turn a model of the original release, PaddleNLP or Hugging Face into a checkpoint, and back",
    example="ernie-paddle convert ERNIE_Base_en_stable-2.0.0 --out models/ernie_2.0_base_en\n"
    "  ernie-paddle convert runs/reviews/best --to huggingface --out reviews_huggingface",
    configure=configure,
    run=run,
)
