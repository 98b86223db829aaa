"""`ernie-paddle finetune`."""

import argparse
from pathlib import Path

from ernie_paddle.arguments import RUNS, Resume, add_resume
from ernie_paddle.config import add_overrides
from ernie_paddle.finetuning.settings import SIZES, FinetuneSettings, load_recipe
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="recipe: a YAML file with signature, data, metric, epochs and train")
    parser.add_argument("--model", type=Path, required=True, help=f"folder of a model or of a run; {RUNS}")
    parser.add_argument(
        "--out", type=output_folder, required=True, help="folder of the run; its best/ holds the best model"
    )
    parser.add_argument("--size", choices=SIZES, default=SIZES[0], help="section of the recipe to use (default: base)")
    parser.add_argument("--seeds", help="run once for each seed, as 1,2,3,4,5, and write a table of all runs")
    parser.add_argument(
        "--grid",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=A,B",
        help="run every combination of these values, and write tables as with --seeds",
    )
    initialisation = parser.add_mutually_exclusive_group()
    initialisation.add_argument(
        "--from-scratch", action="store_true", help="use only the sizes and the vocabulary of --model"
    )
    initialisation.add_argument(
        "--keep-head",
        action="store_true",
        help="keep the head of a model without a signature (a head for the same task and labels is always kept)",
    )
    add_resume(parser)
    add_overrides(parser, "train.seed=2")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.finetuning.run import finetune
    from ernie_paddle.finetuning.sweep import SweepPoint, points, run_sweep

    def settings_of(point: SweepPoint) -> FinetuneSettings:
        return load_recipe(args.recipe, args.size, [*args.set, *point.overrides])

    def run_point(point: SweepPoint, out: Path, resume: Resume) -> None:
        finetune(
            settings_of(point),
            args.model,
            out,
            from_scratch=args.from_scratch,
            keep_head=args.keep_head,
            resume=resume,
            registry=registry,
        )

    if args.seeds is None and not args.grid:
        run_point(SweepPoint(), args.out, args.resume)
    else:
        run_sweep(points(args.seeds, args.grid), args.model, args.out, run_point, settings_of, args.resume)


COMMAND = Command(
    name="finetune",
    help="fine-tune a model on a labelled task, and keep the best model on dev",
    example="ernie-paddle finetune configs/finetune/reviews.yaml --model runs/quickstart/pretrain --out runs/reviews\n"
    "  ernie-paddle finetune configs/finetune/glue/rte.yaml --model models/en --seeds 1,2,3,4,5 --out runs/rte",
    configure=configure,
    run=run,
    after_stop="run the same command with --resume auto",
)
