"""`ernie-paddle submission`."""

import argparse
import sys
from pathlib import Path

from rich.table import Table

from ernie_paddle.console import open_console
from ernie_paddle.errors import UserError
from ernie_paddle.outputs import output_file
from ernie_paddle.registry import Command, Registry
from tasks.submission.benchmarks import BENCHMARKS, ZIP_NAMES, SubmissionFile
from tasks.submission.checking import check_zip
from tasks.submission.writing import write_submission


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("benchmark", choices=list(BENCHMARKS))
    parser.add_argument(
        "predictions",
        type=Path,
        nargs="?",
        help="folder with a TASK.tsv per task: a header 'index<TAB>prediction', then label names in the order of the "
        "test file; for cmrc2018, cmrc2018.json with {id: text}",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the benchmark's data, as downloaded")
    parser.add_argument("--out", type=output_file, help="zip to write")
    parser.add_argument("--check", type=Path, metavar="ZIP", help="only check this zip against the test files")
    parser.add_argument("--partial", action="store_true", help="allow missing tasks")


def run(args: argparse.Namespace, registry: Registry) -> None:
    files = BENCHMARKS[args.benchmark]
    if args.check is not None:
        if args.predictions is not None or args.out is not None:
            raise UserError("--check takes neither a folder with predictions nor --out")
        rows, errors = check_zip(args.check, files, args.data, args.partial)
        path, verdict = args.check, "matches the test files"
    elif args.predictions is None or args.out is None:
        raise UserError("give a folder with predictions and --out FILE.zip, or --check FILE.zip")
    else:
        rows, errors = write_submission(args.predictions, files, args.data, args.out, args.partial)
        path, verdict = args.out, "written, matches the test files"
    for error in errors:
        print(error, file=sys.stderr)
    if errors:
        outcome = "" if args.check else "; no zip was written"
        raise UserError(f"{path}: errors are listed above{outcome}")
    console = open_console()
    console.print(table(args.benchmark, files, rows))
    console.print(f"{path}: {verdict}", soft_wrap=True)
    if path.name != (required := ZIP_NAMES.get(args.benchmark, path.name)):
        console.print(f"note: the leaderboard only accepts the name {required}; rename it", soft_wrap=True)


def table(title: str, files: tuple[SubmissionFile, ...], rows: dict[str, int]) -> Table:
    """Return a table with the rows of each file and of the published test set."""
    result = Table("file", title=title)
    for column in ("rows", "published"):
        result.add_column(column, justify="right")
    result.add_column("")
    for file in files:
        if file.name in rows:
            published = f"{file.rows:,}" if file.rows else "-"
            note = "differs from the published test set" if file.rows not in (None, rows[file.name]) else ""
            result.add_row(file.name, f"{rows[file.name]:,}", published, note)
        else:
            result.add_row(file.name, "-", "", "missing")
    return result


COMMAND = Command(
    name="submission",
    help="write a benchmark's predictions as the zip that its leaderboard expects, or check such a zip",
    example="ernie-paddle submission glue runs/glue/predictions --data data/glue --out runs/glue/submission.zip\n"
    "  ernie-paddle submission glue --data data/glue --check runs/glue/submission.zip",
    configure=configure,
    run=run,
)
