"""`ernie-paddle predict`."""

import argparse
import sys
from pathlib import Path

from ernie_paddle.arguments import input_file, positive
from ernie_paddle.config import add_overrides
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning.settings import SIZES, load_recipe
from ernie_paddle.finetuning_task import Prediction
from ernie_paddle.inference.prediction_files import prediction_suffix, predictions_as_text, write_predictions
from ernie_paddle.outputs import output_file
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("export", type=Path, help="folder written by ernie-paddle export")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--input", type=input_file, help="file in the layout of the recipe's test file; labels are not read"
    )
    source.add_argument("--recipe", type=Path, help="another recipe, whose test set to predict")
    parser.add_argument("--output", type=output_file, help="file to write, .tsv or .json (default: standard output)")
    parser.add_argument(
        "--no-scores", action="store_true", help="write predictions only, as ernie-paddle submission expects"
    )
    parser.add_argument("--batch-samples", type=positive, default=64, help="samples per batch (default: 64)")
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16 is faster if the device supports it; its scores differ by about 0.01 from fp32, the default",
    )
    add_overrides(parser, "data.folder=/data/AX")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.inference.predictor import Predictor

    predictor = Predictor(args.export, precision=args.precision)
    signature = predictor.signature
    task = registry.finetuning_tasks.get(signature.task, str(args.export))
    if args.recipe:
        recipe = load_recipe(args.recipe, SIZES[0], args.set)
        if recipe.signature.task != signature.task or recipe.signature.labels != signature.labels:
            raise UserError(f"{args.recipe}: its task or labels differ from those of {args.export}")
        data = recipe.data
    elif args.set:
        raise UserError("--set: needs --recipe, whose keys it overrides; --input is read as the model's recipe says")
    else:
        data = {**signature.data, "folder": ".", "train": None, "dev": {}, "test": str(args.input)}
    test_sets = task.read({**data, "labelled": []}, "test", signature)
    if len(test_sets) != 1:
        raise UserError(f"{args.recipe}: has {len(test_sets)} test sets; choose one with --set data.test=FILE")
    (examples,) = test_sets
    for note in examples.notes:
        print(f"{args.input or args.recipe}: {note}", file=sys.stderr)
    predictions = predictor.predict(task, examples.examples, args.batch_samples)
    if args.no_scores:
        predictions = [Prediction(prediction.value) for prediction in predictions]
    if args.output is None:
        sys.stdout.write(predictions_as_text(examples.examples, predictions, signature))
        return
    suffix = prediction_suffix(predictions, signature)
    if args.output.suffix != suffix:
        raise UserError(f"--output {args.output}: predictions of {signature.task} are {suffix} files")
    written = write_predictions(args.output.with_suffix(""), examples.examples, predictions, signature)
    print(f"{written}: {len(predictions):,} predictions")


COMMAND = Command(
    name="predict",
    help="predict a file with an exported model: one row per input with the prediction and its scores",
    example="ernie-paddle predict runs/reviews/export --input reviews.tsv --output predictions.tsv",
    configure=configure,
    run=run,
)
