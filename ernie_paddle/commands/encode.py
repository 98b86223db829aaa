"""`ernie-paddle encode`."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_paddle.arguments import RUNS, input_stream
from ernie_paddle.commands.predict import add_inference_options
from ernie_paddle.errors import UserError
from ernie_paddle.inputs import BadRow, BadRows, read_rows
from ernie_paddle.outputs import check_empty, output_path
from ernie_paddle.registry import Command, Registry

if TYPE_CHECKING:
    from ernie_paddle.inference.encoder import Pooling
    from ernie_paddle.inference.vector_files import VectorFormat


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"folder of a model, of a run, or of the export of an encoder; {RUNS}")
    parser.add_argument("--input", type=input_stream, required=True, help="file of texts, or - for standard input")
    parser.add_argument(
        "--layout",
        choices=("text", "tsv", "jsonl"),
        default="text",
        help="a text in each line (default); columns text_a and text_b; or JSON lines, each a text, a pair, or an "
        "object with these keys",
    )
    parser.add_argument(
        "--output",
        type=output_path,
        help="file to write, .npy, .arrow or .jsonl (default: JSON lines to standard output)",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--pooling",
        choices=("mean", "cls", "pooled", "tokens"),
        default="mean",
        help="mean of all tokens (default), the first token, the first token through the pooler, or all tokens",
    )
    kind.add_argument(
        "--release",
        action="store_true",
        help="write the arrays of the release to the folder --output: cls_emb.npy, the pooled first tokens, and "
        "top_layer_emb.npy, all tokens end to end",
    )
    parser.add_argument("--normalize", action="store_true", help="give vectors the length 1")
    add_inference_options(parser)


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.inference.encoder import Encoder
    from ernie_paddle.inference.vector_files import VectorLinesWriter, open_vectors

    format = output_format(args)
    encoder = Encoder.load(args.model, precision=args.precision)
    if args.release:
        encoder.check_pooling("pooled")
    pooling: Pooling = "tokens" if args.release else args.pooling
    opened = (
        open_vectors(args.output, format, encoder, pooling)
        if args.output
        else nullcontext(VectorLinesWriter(sys.stdout, encoder, pooling))
    )
    bad, count, cut = BadRows(), 0, 0
    with opened as writer:
        rows = read_rows(args.input, args.layout, args.skip_bad)
        for row in encoder.stream(rows, pooling, args.normalize, args.batch_tokens, args.skip_bad):
            count += 1
            if isinstance(row, BadRow):
                bad.add(row)
            else:
                cut += row.cut
            writer.write(row)
    for note in [*bad.notes(), *([encoder.cut_note(cut, count)] if cut else [])]:
        print(f"{args.input}: {note}", file=sys.stderr)
    if args.output:
        print(f"{args.output}: vectors of {count:,} texts, {encoder.hidden_size} numbers each")


def output_format(args: argparse.Namespace) -> "VectorFormat":
    """Return the format of the output: `release`, or as the file is named.

    Raises:
        UserError: the file's name has no known suffix, or options contradict each other.
    """
    if args.release:
        if args.output is None or args.normalize:
            raise UserError("--release: needs a folder --output, and writes vectors as they are, without --normalize")
        check_empty(args.output)
        return "release"
    suffix = args.output.suffix.removeprefix(".") if args.output else "jsonl"
    for known in ("npy", "arrow", "jsonl"):
        if suffix == known:
            return known
    raise UserError(f"--output {args.output}: vectors are .npy, .arrow or .jsonl files")


COMMAND = Command(
    name="encode",
    help="write the vectors of texts: of sentences, pairs or single tokens",
    example="ernie-paddle encode runs/quickstart/pretrain --input texts.txt --output vectors.npy",
    configure=configure,
    run=run,
)
