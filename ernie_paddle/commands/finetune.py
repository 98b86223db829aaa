"""`ernie-paddle finetune`."""

import argparse
from pathlib import Path

from ernie_paddle.config import add_overrides
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry
from ernie_paddle.training.run_settings import SIZES, FinetuneSettings, Resume, add_resume, load_recipe


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="YAML file with signature, data, metric, epochs and train")
    parser.add_argument("--model", type=Path, required=True, help="pre-trained model, or a run's folder for its newest")
    parser.add_argument(
        "--out", type=output_folder, required=True, help="folder of the run; its best/ holds the result"
    )
    parser.add_argument("--size", choices=SIZES, default=SIZES[0], help="which section of the recipe (base)")
    parser.add_argument("--seeds", help="run once for each, as 1,2,3,4,5, and write a table of all")
    parser.add_argument(
        "--grid",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=A,B",
        help="run every combination of these values, and as --seeds",
    )
    taken = parser.add_mutually_exclusive_group()
    taken.add_argument(
        "--from-scratch", action="store_true", help="take sizes and vocabulary of --model, no parameters"
    )
    taken.add_argument(
        "--keep-head",
        action="store_true",
        help="take its head even where nothing tells its labels (one of the same kind and labels is always taken)",
    )
    add_resume(parser)
    add_overrides(parser, "train.seed=2")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.training.finetuning import Finetuning
    from ernie_paddle.training.series import Point, points, run_series

    def settings_of(point: Point) -> FinetuneSettings:
        return load_recipe(args.recipe, args.size, [*args.set, *point.overrides])

    def run_point(point: Point, out: Path, resume: Resume) -> None:
        settings = settings_of(point)
        Finetuning(settings, args.model, out, registry, args.from_scratch, args.keep_head).run(resume)

    if args.seeds is None and not args.grid:
        run_point(Point(), args.out, args.resume)
    else:
        run_series(points(args.seeds, args.grid), args.out, run_point, settings_of, args.resume)


COMMAND = Command(
    name="finetune",
    help="train a pre-trained model on a labelled task and keep the best on its dev data",
    example="ernie-paddle finetune configs/finetune/reviews.yaml --model runs/quickstart/pretrain --out runs/reviews\n"
    "  ernie-paddle finetune configs/finetune/glue/rte.yaml --model models/en --seeds 1,2,3,4,5 --out runs/rte",
    configure=configure,
    run=run,
    after_stop="run the same command with --resume auto",
)
