"""`ernie-paddle pretrain`."""

import argparse
from pathlib import Path

from ernie_paddle.arguments import RUNS, add_continue_from, add_resume
from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.outputs import output_folder
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, help="plan config: a YAML file with model, data, plan and train sections")
    add_overrides(parser, "train.seed=2")
    parser.add_argument(
        "--out", type=output_folder, required=True, help="folder of the run, for checkpoints, log and TensorBoard"
    )
    add_continue_from(parser)
    add_resume(parser)
    parser.add_argument(
        "--init",
        type=Path,
        help=f"folder of a model or of a run from which a new run takes parameters, not step and moments; {RUNS}",
    )


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.pretraining.run import pretrain

    settings = load_settings(PretrainSettings, args.plan, args.set)
    pretrain(
        settings,
        args.out,
        init=args.init,
        continue_from=args.continue_from,
        resume=args.resume,
        registry=registry,
    )


COMMAND = Command(
    name="pretrain",
    help="pre-train an encoder through the stages of a plan",
    example="ernie-paddle pretrain configs/plans/quickstart.yaml --out runs/quickstart/pretrain",
    configure=configure,
    run=run,
    after_stop="run the same command with --resume auto",
)
