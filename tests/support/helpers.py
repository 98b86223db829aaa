"""The command line with its output, damaged files and files that are not here."""

import io
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from ernie_paddle.cli import main
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


def run_command(*arguments: object, cwd: Path | None = None, site: Path | None = None) -> CompletedProcess[str]:
    """Run `ernie-paddle` in this process, since a new one imports Paddle for seconds.

    Args:
        cwd: the folder to run it in.
        site: a folder of packages that are found before others, as with PYTHONPATH.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    command, code = list(map(str, arguments)), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        if cwd:
            patch.chdir(cwd)
        if site:
            patch.syspath_prepend(site)
        try:
            main(command)
        except SystemExit as stop:
            assert isinstance(stop.code, int), stop.code
            code = stop.code
    return CompletedProcess(command, code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def read_exports_back_here(patch: pytest.MonkeyPatch) -> None:
    """Let the check of an export read it in this process instead of a new one, which imports Paddle for seconds."""
    patch.setattr(
        "ernie_paddle.inference.export.call_in_new_process", lambda function, *arguments: function(*arguments)
    )


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
