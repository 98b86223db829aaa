"""`ernie-paddle report`."""

import argparse
from pathlib import Path

from rich.table import Table

from ernie_paddle.console import open_console, print_table
from ernie_paddle.outputs import output_file
from ernie_paddle.registry import Command, Registry
from ernie_paddle.training.evaluation import score_table


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="folder of a pre-training or fine-tuning run")
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="RUN",
        help="fine-tuning runs to compare",
    )
    parser.add_argument(
        "--out", type=output_file, required=True, help="page to write (.html), or only its figure (.png)"
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.pretraining.report import RESULT_COLUMNS, read_results, result_rows, write_report

    results = read_results(args.compare)
    evaluations = write_report(args.run, results, args.out)
    console = open_console()
    if evaluations:
        last = evaluations[-1]
        title = f"{args.run}: held-out scores after step {last['step']:,} (stage {last['stage']})"
        print_table(console, score_table(title, evaluations))
    if results:
        table = Table(*RESULT_COLUMNS, title="fine-tuning: best models, per cent")
        for row in result_rows(results):
            table.add_row(*row)
        print_table(console, table)
    print(f"{args.out}: written")


COMMAND = Command(
    name="report",
    help="write a page with the losses per task over the stages and the held-out scores",
    example="ernie-paddle report runs/quickstart/pretrain --out runs/quickstart/report.html",
    configure=configure,
    run=run,
)
