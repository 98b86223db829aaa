"""`ernie-paddle finetune`."""

import argparse
from pathlib import Path

from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.registry import Command, Registry
from ernie_paddle.training.run_settings import FinetuneSettings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="YAML file with signature, data, epochs and train")
    parser.add_argument("--model", type=Path, required=True, help="pre-trained model, or a run's folder for its newest")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; its best/ holds the result")
    parser.add_argument(
        "--from-scratch", action="store_true", help="take sizes and vocabulary of --model, no parameters"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the newest whole checkpoint in --out")
    add_overrides(parser, "train.seed=2")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.training.finetuning import finetune

    settings = load_settings(FinetuneSettings, args.config, args.set)
    finetune(settings, args.model, args.out, registry, args.resume, args.from_scratch)


COMMAND = Command(
    name="finetune",
    help="train a pre-trained model on a labelled task and keep the best on its dev file",
    example="ernie-paddle finetune configs/finetune/reviews.yaml --model runs/quickstart/pretrain --out runs/reviews",
    configure=configure,
    run=run,
)
