"""The command line: runs the registry's sub-commands, and reports a user's mistake in one line with exit code 2."""

import argparse
import errno
import os
import select
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from ernie_paddle import __version__
from ernie_paddle.errors import MISTAKE, Failure, UserError
from ernie_paddle.faults import fault_behind
from ernie_paddle.stopping import Stopped, stop_behind, stop_on_signals

if TYPE_CHECKING:
    from ernie_paddle.registry import Registry

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PIPE_CLOSED = 141  # as a shell reports a command that wrote to a closed pipe


class Parser(argparse.ArgumentParser):
    """A parser that accepts options by their full names only, and reports a mistake in one line."""

    def __init__(self, **settings: Any):
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(MISTAKE, f"{self.prog}: {message}; see {self.prog} --help\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        sys.stdout.flush()  # a closed pipe raises its error here, not when the interpreter exits
        super().exit(status, message)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one sub-command. `arguments` default to those of the process.

    The exit code is 2 after a user's mistake or if a file cannot be read or written, 130 after Ctrl-C, 75 after
    SIGTERM or a failure of the device, and 141 if the reader of standard output has closed the pipe. If another rank of
    the job failed, it is that rank's.
    """
    name, advice = "ernie-paddle", "nothing was done"
    try:
        with stop_on_signals(until_exit=arguments is None):
            # Signals must already be handled during these slow imports.
            from ernie_paddle.files import os_errors_naming
            from ernie_paddle.registry import load_plugins

            broken: list[UserError] = []
            registry = load_plugins(broken.append)
            _report(name, broken)
            args = _parser(registry).parse_args(arguments)  # with --help it ends here
            if broken:
                _exit(MISTAKE)
            command = registry.commands.get(args.command)
            name, advice = f"ernie-paddle {command.name}", command.after_stop
            command.run(args, registry)
            with os_errors_naming("standard output"):
                sys.stdout.flush()
    except (UserError, Failure) as error:
        _fail(name, error)
    except OSError as error:
        if fault := fault_behind(error):
            _fail(name, fault)
        if isinstance(error, BrokenPipeError) and _pipe_is_closed(sys.stdout):
            _exit(PIPE_CLOSED)
        # Errors of our own files have a name, so a full disk without a name is that of standard output.
        name_of_file = error.filename or ("standard output" if error.errno in NO_ROOM else None)
        where = f"{name_of_file}: " if name_of_file else ""
        _exit(MISTAKE, f"{name}: {where}{error.strerror or ' '.join(str(error).split())}")
    except (Stopped, Exception) as error:
        stop = stop_behind(error)
        if stop is None:
            if fault := fault_behind(error):
                _fail(name, fault)
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


def _report(name: str, errors: Sequence[UserError | Failure]) -> None:
    """Print each line of each error on standard error."""
    for line in (line for error in errors for line in str(error).splitlines()):
        print(f"{name}: {line}", file=sys.stderr)


def _fail(name: str, error: UserError | Failure) -> NoReturn:
    _report(name, [error])
    _exit(error.exit_code)


def _exit(code: int, message: str = "") -> NoReturn:
    if message:
        print(message, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # at exit, the interpreter would flush again and print another error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _pipe_is_closed(stream: TextIO) -> bool:
    """Check whether a stream is a pipe whose reading end is closed."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))
