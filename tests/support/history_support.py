"""The plans of a run and of one that continues it, and a check of mistakes that both commands name."""

from pathlib import Path
from typing import Any

from helpers import Run, assert_user_error

TASKS = {"knowledge_masking": {"steps": [4, 2]}, "sentence_reordering": {"steps": [0, 3]}}
NEXT = {"knowledge_masking": {"steps": 4}, "sentence_reordering": {"steps": 4}, "capitalization": {"steps": 5}}
TRAIN: dict[str, Any] = {"batch_tokens": 256, "learning_rate": {"peak": 0.01, "schedule": "constant"}}


def same_of_both(run: Run, plan: Path, earlier: Path, out: Path, *words: str) -> None:
    """Check that `plan` and `pretrain` refuse a plan with the same single line, which has these words."""
    lines = set()
    for command, options in (("plan", ()), ("pretrain", ("--out", out))):
        code, stderr = run(command, plan, "--continue-from", earlier, *options)
        assert_user_error(code, stderr, *words)
        lines |= {line.removeprefix(f"ernie-paddle {command}: ") for line in stderr.splitlines()}
    assert len(lines) == 1, lines
    assert not out.exists()
