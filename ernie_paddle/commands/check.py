"""`ernie-paddle check`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ernie_paddle.arguments import positive
from ernie_paddle.console import open_console
from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json
from ernie_paddle.outputs import output_file
from ernie_paddle.registry import Command, Registry

if TYPE_CHECKING:
    from ernie_paddle.checks.check import Check
    from ernie_paddle.programs.check_record import CheckResult

FAILED = 1  # exit code if a required check failed


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ranks",
        type=positive,
        default=1,
        help="also check jobs of so many processes on this machine, one for each GPU (default: 1)",
    )
    parser.add_argument(
        "--only",
        type=positive,
        nargs="+",
        action="extend",
        metavar="N",
        help="run these checks only, and keep no record for training",
    )
    parser.add_argument(
        "--out", type=output_file, help="also write the record to this JSON file, for example to send it with a bug"
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.checks.check import Bench, programs_of_this_machine, run_checks
    from ernie_paddle.checks.machine import environment
    from ernie_paddle.checks.suite import CHECKS
    from ernie_paddle.programs.check_record import CheckRecord, DeviceIdentity

    chosen = [check for check in CHECKS if args.only is None or check.number in args.only]
    if unknown := set(args.only or ()) - {check.number for check in CHECKS}:
        raise UserError(f"--only {min(unknown)}: checks have the numbers 1 to {len(CHECKS)}")
    console = open_console(stderr=True)
    programs = programs_of_this_machine()
    with TemporaryDirectory(prefix="ernie-paddle-check-") as folder:
        bench = Bench(registry, Path(folder), args.ranks)
        found = list(run_checks(chosen, programs, bench, lambda line: console.print(line, soft_wrap=True)))
    results = [result for _, result in found]
    record = CheckRecord(
        identity=DeviceIdentity.of(programs[0].place), environment=environment(programs[0]), results=results
    )
    open_console().print(result_table(found))
    if args.only is None:
        write_json(record.identity.path, record.model_dump(mode="json"))
        console.print(f"{record.identity.path}: written", soft_wrap=True)
    if args.out:
        write_json(args.out, record.model_dump(mode="json"))
    if failed := [f"{result.number} {result.name}" for result in results if result.fails]:
        console.print(f"failed: {', '.join(failed)}", soft_wrap=True)
        sys.exit(FAILED)


def result_table(found: "Sequence[tuple[Check, CheckResult]]") -> Table:
    """Return a table with a line for each check."""
    table = Table(title="checks of this machine", show_lines=True, expand=True)
    for column in ("check", "result", "figures", "protects from", "if it fails"):
        table.add_column(column, overflow="fold", ratio={"result": None, "figures": 3}.get(column, 2))
    for check, result in found:
        table.add_row(
            f"{check.number} {check.name}\n({result.programs})",
            _said(result),
            _figures(result),
            check.protects_from,
            check.fallback,
        )
    return table


def _said(result: "CheckResult") -> str | Text:
    if result.passed is None:
        return "-" if result.note else "measured"
    if result.passed:
        return "passed"
    return Text("FAILED", style="bold") if result.required else "failed"


def _figures(result: "CheckResult") -> str:
    figures = (f"{name}: {_text(value)}" for name, value in result.figures.items())
    return "; ".join([*figures, *([result.note] if result.note else [])])


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


COMMAND = Command(
    name="check",
    help="check that this machine's GPU, driver and Paddle train right, and measure how fast",
    example="ernie-paddle check\n  ernie-paddle check --ranks 8 --out check.json",
    configure=configure,
    run=run,
    after_stop="no record was written; run the same command again",
)
