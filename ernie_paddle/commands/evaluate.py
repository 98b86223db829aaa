"""`ernie-paddle evaluate`."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from ernie_paddle.arguments import RUNS
from ernie_paddle.commands.predict import add_inference_options
from ernie_paddle.config import add_overrides
from ernie_paddle.console import open_console, print_table
from ernie_paddle.files import write_json
from ernie_paddle.finetuning.settings import SIZES, load_recipe
from ernie_paddle.metric import Scores
from ernie_paddle.outputs import output_file
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"folder of a fine-tuned model, of a run, or of an export; {RUNS}")
    parser.add_argument("recipe", type=Path, help="recipe for the model's task and labels, whose sets to score")
    parser.add_argument(
        "--splits",
        nargs="+",
        action="extend",
        choices=("train", "dev", "test"),
        help="splits to score (default: dev test); unlabelled sets are left out",
    )
    parser.add_argument("--size", choices=SIZES, default=SIZES[0], help="section of the recipe to use (default: base)")
    parser.add_argument("--output", type=output_file, help="JSON file to write the scores to")
    add_inference_options(parser, rows=False)
    add_overrides(parser, "data.folder=/data/RTE")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.inference.evaluation import SPLITS, evaluate

    scores = evaluate(
        args.model,
        load_recipe(args.recipe, args.size, args.set),
        splits=args.splits or SPLITS,
        precision=args.precision,
        batch_tokens=args.batch_tokens,
        registry=registry,
    )
    console = open_console()
    print_table(console, scores_table(str(args.model), scores))
    for name, of_set in scores.items():
        if of_set.degenerate:
            console.print(f"{name}: {of_set.degenerate}", soft_wrap=True)
    if args.output:
        write_json(args.output, {name: of_set.as_record() for name, of_set in scores.items()})
        print(f"{args.output}: written")


def scores_table(model: str, scores: Mapping[str, Scores]) -> Table:
    """Return a table of the metric values by set, in per cent."""
    names = list(dict.fromkeys(name for of_set in scores.values() for name in of_set.values))
    table = Table("set", title=model)
    for column in (*names, "examples"):
        table.add_column(column, justify="right")
    for name, of_set in scores.items():
        table.add_row(name, *(f"{100 * of_set.values[value]:.2f}" for value in names), f"{of_set.count:,}")
    return table


COMMAND = Command(
    name="evaluate",
    help="score a fine-tuned model on the labelled sets of a recipe, without training",
    example="ernie-paddle evaluate runs/reviews configs/finetune/reviews.yaml --splits test",
    configure=configure,
    run=run,
)
