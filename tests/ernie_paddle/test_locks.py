"""Only one process works in a locked folder, and partial files of killed processes are removed."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.locks import locked_folder

HOLDER = """
import os, sys, time
from pathlib import Path
from ernie_paddle.children import start_process
from ernie_paddle.locks import locked_folder

if __name__ == "__main__":
    with locked_folder(Path(sys.argv[1])):
        print(start_process(time.sleep, 60).pid, flush=True)
        time.sleep(60)
"""


def test_a_killed_process_leaves_no_lock_though_what_it_started_lives(tmp_path: Path) -> None:
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    holder = subprocess.Popen([sys.executable, script, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(UserError, match="another process is at work here"), locked_folder(tmp_path / "run"):
            pass
        holder.kill()
        holder.wait()
        with locked_folder(tmp_path / "run"):
            assert Path(f"/proc/{child}").exists()
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match=f"^{tmp_path}: this file system has no locks"), locked_folder(tmp_path):
        pass


def test_partial_files_of_a_running_process_in_a_subfolder_stay(tmp_path: Path) -> None:
    """An example is `build --out runs` while another run writes to `runs/english`."""
    host, ended = socket.gethostname(), subprocess.Popen(["true"])
    ended.wait()
    within = tmp_path / "english"
    within.mkdir()
    for writer in (
        f"{host}.{os.getppid()}",
        f"{host}.{os.getpid()}",
        f"{host}.{ended.pid}",
        f"other.host.{os.getppid()}",
    ):
        (within / f".step_10.{writer}.partial").mkdir()
        (within / f".log.{writer}.partial").touch()
    (within / ".samples.partial").mkdir()  # from which an unfinished build resumes
    with locked_folder(tmp_path):
        left = {path.name for path in within.iterdir()}
    assert left == {".samples.partial", *(f".{name}.{host}.{os.getppid()}.partial" for name in ("step_10", "log"))}
