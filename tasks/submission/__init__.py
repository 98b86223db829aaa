"""Submissions to the leaderboards of GLUE and CLUE: zips of predictions, written and checked against the test files.

`benchmarks.py` lists the files of a submission, `prediction_types.py` defines their values, and `layouts.py` their
formats. `inputs.py` reads the test files.
"""

from ernie_paddle.registry import Registry
from tasks.submission.command import COMMAND


def register(registry: Registry) -> None:
    """Register the command."""
    registry.commands.add(COMMAND.name, COMMAND)
