"""`ernie-paddle adapt`."""

import argparse
from pathlib import Path
from typing import Any

from data_builders.adaptation import AdaptSettings
from ernie_paddle.arguments import RUNS, positive, share
from ernie_paddle.config import add_overrides, check_settings
from ernie_paddle.console import open_console, print_table
from ernie_paddle.errors import Forgotten
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Command, Registry

DEFAULTS = AdaptSettings(text=["text"])


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"model to adapt; {RUNS}")
    parser.add_argument(
        "--text",
        nargs="+",
        action="extend",
        required=True,
        metavar="CORPUS",
        help="FORMAT:PATH, or a path whose suffix determines the format",
    )
    parser.add_argument("--out", type=output_folder, required=True, help="folder to write, new or empty")
    parser.add_argument("--language", choices=["en", "zh"], help="language (default: that of the text's beginning)")
    parser.add_argument("--encoding", help="encoding of the text, a Python codec such as gb18030 (default: utf-8)")
    parser.add_argument(
        "--tasks",
        nargs="+",
        action="extend",
        metavar="TASK",
        help="tasks of the text besides masking, for which the model may have heads",
    )
    parser.add_argument("--epochs", type=float, help=f"how often the text is read (default: {DEFAULTS.epochs:g})")
    parser.add_argument(
        "--validation-share",
        type=share,
        help=f"share of the documents that are held out (default: {DEFAULTS.validation_share})",
    )
    parser.add_argument("--max-length", type=positive, help="tokens of a sample at most (default: as earlier, or 128)")
    parser.add_argument("--replay", type=Path, metavar="SHARDS", help="samples that the model was trained on before")
    parser.add_argument(
        "--replay-share",
        type=share,
        help=f"share of the steps that have these samples (default: {DEFAULTS.replay_share})",
    )
    parser.add_argument(
        "--bound",
        type=float,
        help="greatest rise of the held-out loss on these samples, as a share of it; a greater one gives the exit code "
        f"{Forgotten.exit_code} (default: {DEFAULTS.bound})",
    )
    parser.add_argument(
        "--workers", type=positive, default=1, help="processes that build samples (default: 1); the same samples"
    )
    parser.add_argument("--resume", action="store_true", help="go on where the same command stopped")
    add_overrides(parser, "train.learning_rate.peak=1e-4")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from data_builders.adapting import adapt, changes_table

    given: dict[str, Any] = {
        name: value for name in AdaptSettings.model_fields if (value := getattr(args, name)) is not None
    }
    settings = check_settings(AdaptSettings, given, "adapt")
    adapted = adapt(
        args.model,
        settings,
        args.out,
        overrides=args.set,
        workers=args.workers,
        resume=args.resume,
        registry=registry,
    )
    console = open_console()
    print_table(console, changes_table(adapted.changes))
    console.print(f"adapted model: {adapted.model}", soft_wrap=True)
    if adapted.forgotten:
        raise Forgotten(
            "\n".join(
                f"warning: {change.task}: its loss on earlier samples rose by {change.worse:.1%}, more than --bound"
                for change in adapted.forgotten
            )
        )


COMMAND = Command(
    name="adapt",
    help="go on with the pre-training of a model on own text, and compare its scores before and after",
    example="ernie-paddle adapt models/ernie_2.0_base_en --text articles.txt --out models/adapted",
    configure=configure,
    run=run,
    after_stop="run the same command with --resume",
)
