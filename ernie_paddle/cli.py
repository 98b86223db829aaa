"""The command line: sub-commands come from the registry, mistakes end in one line and exit code 2."""

import argparse
import errno
import os
import select
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from ernie_paddle import __version__
from ernie_paddle.errors import UserError
from ernie_paddle.stopping import Stopped, stop_behind, stop_on_signals

if TYPE_CHECKING:
    from ernie_paddle.registry import Registry

MISTAKE = 2
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PIPE_CLOSED = 141  # as a shell reports a command that wrote to a closed pipe


class Parser(argparse.ArgumentParser):
    """A parser that takes options by their full names only and reports a mistake in one line."""

    def __init__(self, **settings: Any):
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(MISTAKE, f"{self.prog}: {message}; see {self.prog} --help\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        sys.stdout.flush()  # a closed pipe shows here, not while the interpreter ends
        super().exit(status, message)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one sub-command; without `arguments` it is this process's own, and the process ends with it.

    Exits with 2 after a mistake of the user's or when a file cannot be read or written, with 130 after Ctrl-C, 75 after
    SIGTERM, and with 141, quietly, when nobody reads standard output any more.
    """
    name, advice = "ernie-paddle", "nothing was done"
    try:
        with stop_on_signals(until_exit=arguments is None):
            # These take time, in which a signal may come.
            from ernie_paddle.files import errors_name
            from ernie_paddle.registry import load_plugins

            registry = load_plugins()
            args = _parser(registry).parse_args(arguments)
            command = registry.commands.get(args.command)
            name, advice = f"ernie-paddle {command.name}", command.after_stop
            command.run(args, registry)
            with errors_name("standard output"):
                sys.stdout.flush()
    except UserError as error:
        _exit(MISTAKE, f"{name}: {error}")
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads(sys.stdout):
            _exit(PIPE_CLOSED)
        named = error.filename or ("standard output" if error.errno in NO_ROOM else None)  # files are named
        where = f"{named}: " if named else ""
        _exit(MISTAKE, f"{name}: {where}{error.strerror or ' '.join(str(error).split())}")
    except (Stopped, Exception) as error:
        stop = stop_behind(error)
        if stop is None:
            raise
        _exit(stop.exit_code, f"{name}: stopped by {stop.name}; {stop.advice or advice}")


def _parser(registry: "Registry") -> Parser:
    parser = Parser(prog="ernie-paddle", description="Pre-train, fine-tune and use ERNIE 2.0 on PaddlePaddle.")
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


def _exit(code: int, message: str = "") -> NoReturn:
    if message:
        print(message, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # the interpreter would try once more to write what is left, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _nobody_reads(stream: TextIO) -> bool:
    """Check whether a stream is a pipe whose other end is closed."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))
