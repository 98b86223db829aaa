"""`ernie-paddle spans`."""

import argparse
from pathlib import Path

from rich.table import Table

from data_builders.annotation.chinese import ChineseWords
from data_builders.annotation.measuring import SpanScores, finder_of, jieba_alone, measure
from data_builders.annotation.settings import ChineseSettings
from ernie_paddle.console import open_console
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "gold", type=Path, help="Chinese text segmented and tagged by hand: word/tag separated by blanks"
    )
    parser.add_argument(
        "--dictionary", type=Path, nargs="+", action="extend", default=[], help="user dictionaries in jieba's format"
    )
    parser.add_argument(
        "--gazetteer",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="names, one per line, optionally followed by a TAB and their kind",
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    entries = ChineseSettings(dictionaries=args.dictionary, gazetteers=args.gazetteer).entries()
    finders = {"jieba alone": jieba_alone, "our rules": finder_of(ChineseWords(entries))}
    open_console().print(table(str(args.gold), measure(args.gold, finders)))


def table(title: str, results: dict[str, SpanScores]) -> Table:
    """Return a table of the precision, recall and F1 of each finder, with rows for words and kinds of names."""
    table = Table("", title=f"{title}: scores in per cent")
    table.add_column("gold", justify="right")
    for name in results:
        for measure_name in ("precision", "recall", "F1"):
            table.add_column(f"{name}\n{measure_name}", justify="right")
    kinds = {"words": [result.words for result in results.values()]}
    for kind in next(iter(results.values())).names:
        kinds[kind] = [result.names[kind] for result in results.values()]
    for kind, counts in kinds.items():
        values = [f"{100 * value:.1f}" for c in counts for value in (c.precision, c.recall, c.f1)]
        table.add_row(kind, f"{counts[0].gold:,}", *values)
    return table


COMMAND = Command(
    name="spans",
    help="measure the precision and recall of Chinese words and names on a text tagged by hand",
    example="ernie-paddle spans runs/quickstart/corpora/peoples_daily/gold.txt",
    configure=configure,
    run=run,
)
