"""Submissions to the leaderboards of GLUE and CLUE: predictions to a zip, and its check against the test files.

`benchmarks.py` says which files there are, `answers.py` what may stand in them, `layouts.py` in which form; `inputs.py`
reads the test files.
"""

from ernie_paddle.registry import Registry
from tasks.submission.command import COMMAND


def register(registry: Registry) -> None:
    """Add the command."""
    registry.commands.add(COMMAND.name, COMMAND)
