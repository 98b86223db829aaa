"""`ernie-paddle predict`."""

import argparse
import sys
from pathlib import Path

from ernie_paddle.arguments import input_file, positive
from ernie_paddle.config import add_overrides
from ernie_paddle.errors import UserError
from ernie_paddle.inference.answer_files import answer_suffix, answers_as_text, write_answers
from ernie_paddle.kind import Answer
from ernie_paddle.outputs import output_file
from ernie_paddle.registry import Command, Registry
from ernie_paddle.training.run_settings import SIZES, load_recipe


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("export", type=Path, help="folder that ernie-paddle export wrote")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--input", type=input_file, help="file laid out as the recipe's test file; labels are not read")
    given.add_argument("--recipe", type=Path, help="another recipe, whose test data are to be answered")
    parser.add_argument("--output", type=output_file, help="file to write, .tsv or .json (default: standard output)")
    parser.add_argument("--no-scores", action="store_true", help="predictions alone, as ernie-paddle submission takes")
    parser.add_argument("--batch-samples", type=positive, default=64, help="inputs of a batch (default: 64)")
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16: faster where the device computes in it; scores differ by about 0.01 from fp32, the default",
    )
    add_overrides(parser, "data.folder=/data/AX")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.inference.predictor import Predictor

    predictor = Predictor(args.export, precision=args.precision)
    signature = predictor.signature
    kind = registry.finetuning_tasks.get(signature.task, str(args.export))
    if args.recipe:
        recipe = load_recipe(args.recipe, SIZES[0], args.set)
        if recipe.signature.task != signature.task or recipe.signature.labels != signature.labels:
            raise UserError(f"{args.recipe}: its task or labels are not those of {args.export}")
        data = recipe.data
    elif args.set:
        raise UserError("--set: changes the recipe of --recipe; --input is read as the model's own recipe says")
    else:
        data = {**signature.data, "folder": ".", "train": None, "dev": {}, "test": str(args.input)}
    found = kind.read({**data, "labelled": []}, "test", signature)
    if len(found) != 1:
        raise UserError(f"{args.recipe}: has {len(found)} test sets; choose one with --set data.test=FILE")
    (examples,) = found
    for note in examples.notes:
        print(f"{args.input or args.recipe}: {note}", file=sys.stderr)
    answers = predictor.predict(kind, examples.examples, args.batch_samples)
    if args.no_scores:
        answers = [Answer(answer.value) for answer in answers]
    if args.output is None:
        sys.stdout.write(answers_as_text(examples.examples, answers, signature))
        return
    suffix = answer_suffix(answers, signature)
    if args.output.suffix != suffix:
        raise UserError(f"--output {args.output}: answers of {signature.task} are written as {suffix}")
    written = write_answers(args.output.with_suffix(""), examples.examples, answers, signature)
    print(f"{written}: {len(answers):,} predictions")


COMMAND = Command(
    name="predict",
    help="answer a file with an exported model: a prediction and all scores a row, in order",
    example="ernie-paddle predict runs/reviews/export --input reviews.tsv --output predictions.tsv",
    configure=configure,
    run=run,
)
