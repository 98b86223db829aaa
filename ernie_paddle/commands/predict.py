"""`ernie-paddle predict`."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_paddle.arguments import RUNS, input_stream, positive
from ernie_paddle.config import add_overrides
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write
from ernie_paddle.finetuning.settings import SIZES, load_recipe
from ernie_paddle.finetuning_task import Prediction
from ernie_paddle.inference.prediction_files import PredictionFormat, open_writer, score_names, usual_format
from ernie_paddle.inputs import BadRow, BadRows, read_rows
from ernie_paddle.outputs import output_file
from ernie_paddle.registry import Command, Registry

if TYPE_CHECKING:
    from ernie_paddle.inference.predictor import Predictor

RECIPE = "recipe"  # the layout of the files that the model was fine-tuned on
Notes = Callable[[], list[str]]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"folder of a fine-tuned model, of a run, or of an export; {RUNS}")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--input", type=input_stream, help="file to predict, or - for standard input")
    source.add_argument("--recipe", type=Path, help="another recipe, whose test set to predict")
    parser.add_argument(
        "--layout",
        choices=(RECIPE, "text", "tsv", "jsonl"),
        default=RECIPE,
        help="layout of --input: that of the model's recipe, whose labels are not read (default); a text in each line; "
        "or the input's fields as columns or JSON keys",
    )
    parser.add_argument(
        "--output", type=output_file, help="file to write, .tsv, .json or .jsonl (default: standard output)"
    )
    parser.add_argument(
        "--format",
        choices=("tsv", "json", "jsonl"),
        help="a table, an object of texts, or JSON lines with predictions in words (default: as --output is named, "
        "otherwise what ernie-paddle submission expects)",
    )
    parser.add_argument(
        "--no-scores", action="store_true", help="write predictions only, as ernie-paddle submission expects"
    )
    add_inference_options(parser)
    add_overrides(parser, "data.folder=/data/AX")


def add_inference_options(parser: argparse.ArgumentParser, rows: bool = True, batch_tokens: int | None = None) -> None:
    """Add the options for batches, precision and, with `rows`, bad rows."""
    parser.add_argument(
        "--batch-tokens",
        type=positive,
        default=batch_tokens,
        help=f"tokens per batch, padding included (default: {batch_tokens or 'what is fastest'})",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16 is faster if the device supports it; its scores differ by about 0.01 from fp32, the default",
    )
    if rows:
        parser.add_argument(
            "--skip-bad", action="store_true", help="leave rows that cannot be read empty in the output and count them"
        )


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.inference.predictor import Predictor

    predictor = Predictor.load(args.model, precision=args.precision, registry=registry)
    format = output_format(args.output, args.format, usual_format(predictor.task), predictor.signature.task)
    examples, notes = opened(args, predictor)
    names = () if args.no_scores else score_names(predictor.task, predictor.signature)
    bad, count = BadRows(), 0
    with atomic_write(args.output) if args.output else nullcontext(sys.stdout) as file:
        writer = open_writer(file, format, names)
        for found in predictor.stream(examples, args.batch_tokens):
            prediction = found.prediction
            if isinstance(prediction, BadRow):
                bad.add(prediction)
            elif args.no_scores:
                prediction = Prediction(prediction.value)
            writer.write(found.id, prediction)
            count += 1
        writer.close()
    for note in [*notes(), *bad.notes()]:
        print(f"{args.input or args.recipe}: {note}", file=sys.stderr)
    if args.output:
        print(f"{args.output}: {count:,} predictions")


def output_format(
    output: Path | None, format: PredictionFormat | None, usual: PredictionFormat, task: str
) -> PredictionFormat:
    """Return the format of the output: as asked for, as the file is named, or the usual one.

    Raises:
        UserError: the file's name has another suffix, or the task's predictions have another format.
    """
    suffix = output.suffix.removeprefix(".") if output else usual
    chosen = format or suffix
    if chosen not in (usual, "jsonl"):
        option = f"--format {format}" if format else f"--output {output}"
        raise UserError(f"{option}: predictions of {task} are .{usual} or .jsonl files")
    if output and suffix != chosen:
        raise UserError(f"--output {output}: --format {chosen} writes .{chosen} files")
    return chosen  # type: ignore[return-value]


def opened(args: argparse.Namespace, predictor: "Predictor") -> tuple[Iterator[Any], Notes]:
    """Open what is to be predicted; return its examples, and a function that returns notes on reading them.

    Raises:
        UserError: a file is missing, or options contradict each other.
    """
    from ernie_paddle.inference.evaluation import check_same_task

    task, signature = predictor.task, predictor.signature
    if args.layout != RECIPE and args.recipe:
        raise UserError("--layout: is that of --input; --recipe says how its own files are read")
    if args.set and not args.recipe:
        raise UserError("--set: needs --recipe, whose keys it overrides; --input is read as the model's recipe says")
    if args.layout != RECIPE:
        return predictor.examples(read_rows(args.input, args.layout, args.skip_bad), args.skip_bad), lambda: []
    if args.recipe:
        recipe = load_recipe(args.recipe, SIZES[0], args.set)
        check_same_task(signature, recipe.signature, str(args.model), str(args.recipe))
        data = recipe.data
    else:
        data = {**signature.data, "folder": ".", "train": None, "dev": {}, "test": str(args.input)}
    sets = task.stream({**data, "labelled": []}, "test", signature, args.skip_bad)
    if len(sets) != 1:
        raise UserError(f"{args.recipe}: has {len(sets)} test sets; choose one with --set data.test=FILE")
    return (sets[0].examples if args.recipe else _begun(sets[0].examples)), sets[0].notes


def _begun(examples: Iterator[Any]) -> Iterator[Any]:
    """Return the examples after reading the first one, at which a file with another layout shows.

    Raises:
        UserError: the header or the first row cannot be read.
    """
    try:
        first = [*islice(examples, 1)]
    except UserError as error:
        raise UserError(f"{error}; if --input is not laid out as the recipe's files, give --layout") from None
    return chain(first, examples)


COMMAND = Command(
    name="predict",
    help="predict a file with a fine-tuned model: one row per input with the prediction and its scores",
    example="ernie-paddle predict runs/reviews/export --input reviews.tsv --output predictions.tsv",
    configure=configure,
    run=run,
)
