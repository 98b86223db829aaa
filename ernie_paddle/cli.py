"""The command line: sub-commands come from the registry, mistakes end in one line and exit code 2."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ernie_paddle.errors import UserError
from ernie_paddle.stopping import Stopped, stop_on_signals

if TYPE_CHECKING:  # what takes time to import comes after the handlers of signals are there
    import argparse

    from ernie_paddle.registry import Registry


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one sub-command; exits with 2 after a mistake of the user's, 130 after Ctrl-C, 75 after SIGTERM."""
    said_by, advice = "ernie-paddle", ""
    try:
        with stop_on_signals():
            from ernie_paddle.registry import load_plugins

            registry = load_plugins()
            args = _parser(registry).parse_args(arguments)
            command = registry.commands.get(args.command)
            said_by, advice = f"ernie-paddle {command.name}", command.after_stop
            command.run(args, registry)
    except UserError as error:
        print(f"{said_by}: {error}", file=sys.stderr)
        sys.exit(2)
    except Stopped as stop:
        print(f"{said_by}: stopped by {stop.name}; {stop.advice or advice or 'nothing was done'}", file=sys.stderr)
        sys.exit(stop.exit_code)


def _parser(registry: "Registry") -> "argparse.ArgumentParser":
    import argparse

    from ernie_paddle import __version__

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
    return parser
