"""Running the command line as people do."""

import subprocess
import sys
from pathlib import Path


def run_command(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `ernie-paddle` in a process of its own."""
    command = [sys.executable, "-m", "ernie_paddle", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def assert_user_error(code: int, stderr: str, *words: str) -> None:
    """Exit code 2, and a last line of stderr that says all the words; no traceback."""
    assert code == 2, stderr
    assert "Traceback" not in stderr
    last = stderr.strip().splitlines()[-1]
    assert all(word in last for word in words), last
