"""`ernie-paddle fill-mask`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ernie_paddle.arguments import RUNS, input_stream, positive
from ernie_paddle.console import open_console, print_table
from ernie_paddle.errors import UserError
from ernie_paddle.files import as_json
from ernie_paddle.inputs import BadRow, InputRow, TextInput, read_rows
from ernie_paddle.registry import Command, Registry

if TYPE_CHECKING:
    from ernie_paddle.inference.encoder import Encoder
    from ernie_paddle.inference.masked_lm import MaskCandidate


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"folder of a model with a masked-LM head, or of a run; {RUNS}")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--text", nargs="+", action="extend", default=[], help="texts with [MASK]; each is answered with a table"
    )
    source.add_argument(
        "--input", type=input_stream, help="file with a text in each line, or -; answered with JSON lines"
    )
    parser.add_argument("--top", type=positive, default=5, help="tokens for each [MASK] (default: 5)")
    parser.add_argument(
        "--skip-bad", action="store_true", help="answer a row of --input that has no [MASK] with an error"
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.inference.encoder import Encoder

    encoder = Encoder.load(args.model)
    for text in args.text:
        print_table(open_console(), candidates_table(text, encoder.fill_mask(text, args.top)))
    for row in read_rows(args.input, "text", args.skip_bad) if args.input else ():
        sys.stdout.write(as_json({"index": row.id, **answer(encoder, row, args.top, args.skip_bad)}) + "\n")


def answer(encoder: "Encoder", row: InputRow | BadRow, top: int, skip_bad: bool) -> dict[str, Any]:
    """Return the candidates for a row as plain values, or its error."""
    if isinstance(row, BadRow):
        return {"error": row.error}
    try:
        candidates = encoder.fill_mask(TextInput.of(row.given, row.place).text_a, top)
    except UserError as error:
        if not skip_bad:
            raise UserError(f"{row.place}: {error}") from None
        return {"error": f"{row.place}: {error}"}
    return {"candidates": [asdict(candidate) for candidate in candidates]}


def candidates_table(text: str, candidates: Sequence["MaskCandidate"]) -> Table:
    """Return a table of the candidates for each `[MASK]` of a text."""
    table = Table("mask", "token", title=text)
    table.add_column("probability", justify="right")
    table.add_column("text")
    for candidate in candidates:
        table.add_row(str(candidate.mask), candidate.token, f"{candidate.probability:.4f}", candidate.text)
    return table


COMMAND = Command(
    name="fill-mask",
    help="print the most probable tokens for each [MASK] of a text",
    example="ernie-paddle fill-mask runs/quickstart/pretrain --text '北京是中国的[MASK][MASK]。'",
    configure=configure,
    run=run,
)
