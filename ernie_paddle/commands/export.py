"""`ernie-paddle export`."""

import argparse
from pathlib import Path

from ernie_paddle.arguments import RUNS
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"folder of a model or of a run; {RUNS}")
    parser.add_argument("--out", type=output_folder, required=True, help="folder to write, new or empty")
    parser.add_argument(
        "--format",
        choices=("paddle", "onnx", "bert"),
        default="paddle",
        help="paddle, onnx: files for predict; bert: a Hugging Face folder that opens as plain BERT (default: paddle)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "int8"),
        default="fp32",
        help="int8, of an ONNX file's matrices: prints the scores on the dev sets before and after (default: fp32)",
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.inference.export import export

    exported = export(args.model, args.out, registry, args.format, args.precision)
    for note in exported.notes:
        print(f"note: {note}")
    difference = f"its outputs differ from the model's by at most {exported.difference:.1e}"
    print(f"{args.out}: written; read back in a new process, {difference}")


COMMAND = Command(
    name="export",
    help="write a model for inference: Paddle's files, ONNX, or a plain BERT of Hugging Face",
    example="ernie-paddle export runs/reviews/best --out runs/reviews/export\n"
    "  ernie-paddle export runs/reviews/best --out reviews_int8 --format onnx --precision int8",
    configure=configure,
    run=run,
)
