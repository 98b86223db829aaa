"""`ernie-paddle evaluate-checkpoints`."""

import argparse
from pathlib import Path

from ernie_paddle.arguments import Resume, add_resume
from ernie_paddle.config import add_overrides
from ernie_paddle.finetuning.settings import SIZES, FinetuneSettings, load_recipe
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", type=Path, help="folder of a pre-training run; impl.keep_checkpoints decides which checkpoints it keeps"
    )
    parser.add_argument(
        "--recipe", type=Path, required=True, help="recipe: a YAML file with signature, data, metric, epochs and train"
    )
    parser.add_argument(
        "--out", type=output_folder, required=True, help="folder of the fine-tuning runs, the table and the curve"
    )
    parser.add_argument("--size", choices=SIZES, default=SIZES[0], help="section of the recipe to use (default: base)")
    parser.add_argument("--seeds", default="1", help="fine-tune once for each seed, as 1,2,3 (default: 1)")
    add_resume(parser)
    add_overrides(parser, "epochs=1")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.finetuning.checkpoints import evaluate_checkpoints
    from ernie_paddle.finetuning.run import finetune
    from ernie_paddle.finetuning.sweep import SweepPoint, points

    def settings_of(point: SweepPoint) -> FinetuneSettings:
        return load_recipe(args.recipe, args.size, [*args.set, *point.overrides])

    def run_point(checkpoint: Path, point: SweepPoint, out: Path, resume: Resume) -> None:
        finetune(settings_of(point), checkpoint, out, resume=resume, registry=registry)

    evaluate_checkpoints(args.run, args.out, points(args.seeds, []), run_point, settings_of, args.resume)


COMMAND = Command(
    name="evaluate-checkpoints",
    help="fine-tune a recipe from each checkpoint of a pre-training run, and draw its metric over the steps",
    example="ernie-paddle evaluate-checkpoints runs/news --recipe reviews.yaml --seeds 1,2,3 --out runs/news_reviews",
    configure=configure,
    run=run,
    after_stop="run the same command with --resume auto",
)
