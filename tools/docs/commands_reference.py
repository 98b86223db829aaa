"""Reference of the commands, from their argument parsers; of the scripts, from their help."""

import argparse
import subprocess
from pathlib import Path

from ernie_paddle.registry import Command, load_plugins

TOOLS = Path(__file__).parents[1]


def parser_of(command: Command) -> argparse.ArgumentParser:
    """Return the argument parser of one sub-command."""
    parser = argparse.ArgumentParser(prog=f"ernie-paddle {command.name}", add_help=False)
    command.configure(parser)
    return parser


def commands() -> str:
    """Return all sub-commands with their arguments and examples."""
    return "\n\n".join(_command(command) for command in load_plugins().commands)


def _command(command: Command) -> str:
    rows = ["| argument | meaning |", "|---|---|"]
    for action in parser_of(command)._actions:
        required = " (required)" if action.option_strings and action.required else ""
        rows.append(f"| {_argument(action)}{required} | {_meaning(action)} |")
    examples = "\n".join(line.strip() for line in command.example.splitlines())
    help = command.help[0].upper() + command.help[1:]
    return f"## {command.name}\n\n{help}.\n\n```bash\n{examples}\n```\n\n" + "\n".join(rows)


def _argument(action: argparse.Action) -> str:
    many = " ..." if action.nargs == "+" else ""
    if not action.option_strings:
        return f"`{str(action.metavar or action.dest).upper()}{many}`"
    value = f" {action.metavar or action.dest.upper()}{many}" if action.nargs != 0 else ""
    return f"`{action.option_strings[0]}{f' [{value.strip()}]' if action.nargs == '?' else value}`"


def _meaning(action: argparse.Action) -> str:
    choices = ", ".join(f"`{choice}`" for choice in action.choices or ())
    parts = [action.help or "", f"one of {choices}" if choices else ""]
    return "; ".join(part for part in parts if part).replace("|", "\\|")


def script_help(script: Path) -> str:
    """Return what a script prints for `--help`."""
    done = subprocess.run(["bash", str(script), "--help"], capture_output=True, text=True, check=True)
    return done.stdout.rstrip()


def script_paths() -> list[Path]:
    """Return the scripts that people run; others in the folder are sourced by them."""
    return sorted(path for path in TOOLS.glob("*.sh") if path.read_text().startswith("#!"))


def scripts() -> str:
    """Return the help of all scripts."""
    return "\n\n".join(f"### {path.name}\n\n```text\n{script_help(path)}\n```" for path in script_paths())
