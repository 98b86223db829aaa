"""The command line in a process, damaged files and files that are not here."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ernie_paddle.metric import Scores

Run = Callable[..., tuple[int, str]]
Scorer = Callable[..., Scores]  # by a metric of the registry: name, gold, predicted, options
RELEASE = Path(
    os.environ.get("ERNIE_ORIGINAL_RELEASE", Path(__file__).parents[2] / "../shared/reference/original_release")
)

needs_onnx = pytest.mark.skipif(
    find_spec("onnxruntime") is None, reason="onnxruntime is not installed: pip install -e '.[onnx]'"
)
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install -e '.[ray]'")


def run_command(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `ernie-paddle` in a new process."""
    command = [sys.executable, "-m", "ernie_paddle", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def write_command(path: Path, lines: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{lines}\n")
    path.chmod(0o755)
    return path


def assert_user_error(code: int, stderr: str, *words: str) -> None:
    """Check for exit code 2, a last line of stderr with all the words, and no traceback."""
    assert code == 2, stderr
    assert "Traceback" not in stderr
    last = stderr.strip().splitlines()[-1]
    assert all(word in last for word in words), last


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """Limit files to `size` bytes, which simulates a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def released(name: str) -> Path:
    """Return a file of the original release; skip the test if it is not there."""
    if not (RELEASE / name).exists():
        pytest.skip(f"{name} of the original release is not here; ERNIE_ORIGINAL_RELEASE names its folder")
    return RELEASE / name


@contextmanager
def damaged(path: Path, random: np.random.Generator) -> Iterator[None]:
    """Flip a random bit of a file or truncate it at a random length, and restore it afterwards."""
    content = path.read_bytes()
    place = int(random.integers(len(content)))
    if random.random() < 0.7:
        changed = bytearray(content)
        changed[place] ^= 1 << int(random.integers(8))
        path.write_bytes(changed)
    else:
        path.write_bytes(content[:place])
    try:
        yield
    finally:
        path.write_bytes(content)
