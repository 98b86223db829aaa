"""The command line: sub-commands come from the registry, mistakes end in one line and exit code 2."""

import argparse
import sys
from collections.abc import Sequence

from ernie_paddle import __version__
from ernie_paddle.errors import Preempted, UserError
from ernie_paddle.registry import load_plugins

PREEMPTED = 75  # the exit code that asks for another try


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one sub-command; exits with 2 after a mistake of the user's, 75 when asked to stop, 130 after Ctrl-C."""
    registry = load_plugins()
    parser = argparse.ArgumentParser(
        prog="ernie-paddle", description="Pre-train, fine-tune and use ERNIE 2.0 on PaddlePaddle."
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in registry.commands:
        subparser = subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.help,
            epilog=f"example:\n  {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.configure(subparser)
    args = parser.parse_args(arguments)
    try:
        registry.commands.get(args.command).run(args, registry)
    except UserError as error:
        print(f"ernie-paddle {args.command}: {error}", file=sys.stderr)
        sys.exit(2)
    except Preempted as stop:
        print(f"ernie-paddle {args.command}: {stop}", file=sys.stderr)
        sys.exit(PREEMPTED)
    except KeyboardInterrupt:
        sys.exit(130)
