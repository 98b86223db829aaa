"""`ernie-paddle predict`."""

import argparse
import sys
from pathlib import Path

from ernie_paddle.files import written_whole
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("export", type=Path, help="folder that ernie-paddle export wrote")
    parser.add_argument(
        "--input", type=Path, required=True, help="TSV file with a header; a label column is not looked at"
    )
    parser.add_argument("--output", type=Path, help="TSV file to write (default: standard output)")
    parser.add_argument("--batch-samples", type=int, default=64, help="inputs of a batch (default: 64)")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.inference.predictor import Predictor

    predictor = Predictor(args.export)
    kind = registry.finetuning_tasks.get(predictor.signature.task, str(args.export))
    samples = kind.read(args.input, predictor.vocabulary, predictor.signature, False)
    predictions = predictor.predict(samples, args.batch_samples)
    lines = ["\t".join(["label", *predictor.signature.labels])]
    lines += ["\t".join([p.label, *(f"{value:.6f}" for value in p.probabilities)]) for p in predictions]
    text = "".join(f"{line}\n" for line in lines)
    if args.output is None:
        sys.stdout.write(text)
        return
    with written_whole(args.output) as file:
        file.write(text)
    print(f"{args.output}: {len(predictions):,} predictions")


COMMAND = Command(
    name="predict",
    help="label a file with an exported model: a label and all probabilities a row, in order",
    example="ernie-paddle predict runs/reviews/export --input reviews.tsv --output predictions.tsv",
    configure=configure,
    run=run,
)
