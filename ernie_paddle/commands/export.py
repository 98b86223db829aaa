"""`ernie-paddle export`."""

import argparse
from pathlib import Path

from ernie_paddle.arguments import RUNS
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"folder of a fine-tuned model or of a run; {RUNS}")
    parser.add_argument(
        "--out",
        type=output_folder,
        required=True,
        help="folder to write, new or empty: model files, vocab.txt, signature.json",
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.inference.export import export

    difference = export(args.model, args.out, registry)
    print(f"{args.out}: written; in a new process, its scores differ from the model's by at most {difference:.1e}")


COMMAND = Command(
    name="export",
    help="write a fine-tuned model as Paddle inference files with vocabulary and signature",
    example="ernie-paddle export runs/reviews/best --out runs/reviews/export",
    configure=configure,
    run=run,
)
