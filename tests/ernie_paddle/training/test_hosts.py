"""Data parallelism over two machines with names and addresses of their own: they start, stop, fail and resume."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hosts import Host, two_hosts

from ernie_paddle.model import saved
from ernie_paddle.training import checkpoint

LAUNCH = Path(__file__).parents[3] / "tools" / "launch.sh"
Process = subprocess.Popen[str]
PLAN: dict[str, Any] = {
    "plan": {"tasks": {"knowledge_masking": {"steps": 5000}}},
    "train": {"batch_tokens": 128, "accumulation": 2, "learning_rate": {"peak": 0.01}},
    "impl": {"logging_steps": 100, "save_steps": 5, "step_seconds": 9},
}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Host]]:
    with two_hosts(tmp_path_factory.mktemp("hosts")) as found:
        yield found


def environment(**variables: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "OMP_NUM_THREADS": "1", "PATH": path, **variables}


def popen(command: list[str], **variables: str) -> Process:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, **pipes, text=True, env=environment(**variables))  # type: ignore[call-overload]


def launched(hosts: tuple[Host, Host], *arguments: object) -> list[Process]:
    """Start the launcher on both machines, one rank each."""
    options = ("--nodes", 2, "--processes", 1, "--master", "hosta:29500", "--grace", 5)
    return [
        popen(host.command("bash", LAUNCH, *options, "--node-rank", number, *arguments))
        for number, host in enumerate(hosts)
    ]


def started(hosts: tuple[Host, Host], *arguments: object, **variables: str) -> list[Process]:
    """Start a rank on both machines, each the process that is returned."""
    job = {"PADDLE_MASTER": "hosta:29501", "PADDLE_TRAINERS_NUM": "2", **variables}
    command = [sys.executable, "-m", "ernie_paddle", *arguments]
    return [popen(host.command(*command), PADDLE_TRAINER_ID=str(rank), **job) for rank, host in enumerate(hosts)]


def wait_for_step(run: Path, processes: list[Process], step: int = 5) -> None:
    """Wait until a checkpoint of at least this step is complete."""
    while not (newest := saved.checkpoints(run)[-1:]) or int(newest[0].name.removeprefix(saved.STEP)) < step:
        assert all(process.poll() is None for process in processes), outputs(processes)
        time.sleep(0.02)


def outputs(processes: list[Process]) -> list[str]:
    """Wait until all have ended, for a minute at most; return what they printed."""
    return [process.communicate(timeout=60)[0] for process in processes]


def check_newest(run: Path) -> int:
    """Check that the newest checkpoint is complete; return its step."""
    checkpoint.check_checkpoint(saved.resolve(run))
    return int(saved.resolve(run).name.removeprefix(saved.STEP))


@pytest.mark.slow
def test_machines_meet_by_name_save_when_one_is_asked_to_stop_and_resume(
    hosts: tuple[Host, Host], write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    run, plan = tmp_path / "run", write_plan(**PLAN)
    launchers = launched(hosts, "pretrain", plan, "--out", run)
    wait_for_step(run, launchers)
    launchers[1].send_signal(signal.SIGTERM)
    said = outputs(launchers)
    assert [launcher.returncode for launcher in launchers] == [75, 75], said
    step = check_newest(run)
    for rank in (0, 1):
        assert f"step_{step} is complete, resume" in (run / "ranks" / f"rank.{rank}.log").read_text()

    launchers = launched(hosts, "pretrain", plan, "--out", run, "--resume")
    wait_for_step(run, launchers, step + 1)
    for launcher in launchers:
        launcher.send_signal(signal.SIGTERM)
    said = outputs(launchers)
    assert [launcher.returncode for launcher in launchers] == [75, 75], said
    assert f"resuming from {run}/step_{step}" in said[0] and check_newest(run) > step


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_ends_the_job_and_is_named_with_its_machine(
    killed: int, hosts: tuple[Host, Host], write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    processes = started(hosts, "pretrain", write_plan(**PLAN), "--out", tmp_path / "run")
    wait_for_step(tmp_path / "run", processes)
    processes[killed].kill()
    said = outputs(processes)[1 - killed]
    assert processes[1 - killed].returncode == 75
    assert f"rank {killed} ({hosts[killed].name}) has ended without a word: it was killed" in said
    assert said.endswith("the last checkpoint is complete: resume with --resume\n") and "Traceback" not in said
    check_newest(tmp_path / "run")


@pytest.mark.slow
def test_a_rank_that_hangs_ends_the_job_and_is_named_with_its_machine(
    hosts: tuple[Host, Host], write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    processes = started(hosts, "pretrain", write_plan(**PLAN), "--out", tmp_path / "run")
    wait_for_step(tmp_path / "run", processes)
    processes[1].send_signal(signal.SIGSTOP)
    (said,) = outputs(processes[:1])
    processes[1].kill()
    assert processes[0].returncode == 75
    assert "has not ended for 9 s: the others wait for rank 1 (hostb)" in said and "resume with --resume" in said
    check_newest(tmp_path / "run")
    outputs(processes[1:])


@pytest.mark.slow
def test_machines_that_cannot_reach_each_other_say_so_and_what_to_check(
    hosts: tuple[Host, Host], write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    hosts[1].run("ip", "link", "set", "eth0", "down")
    try:
        job = ("pretrain", write_plan(**PLAN), "--out", tmp_path / "run")
        processes = started(hosts, *job, ERNIE_CONNECT_SECONDS="2")
        first, second = outputs(processes)
    finally:
        hosts[1].run("ip", "link", "set", "eth0", "up")
    assert [process.returncode for process in processes] == [2, 2]
    assert "hosta:29501 (PADDLE_MASTER): rank 1 of 2 has not connected for 2 s: check" in first
    assert "hosta:29501 (PADDLE_MASTER): rank 1 on hostb has not reached rank 0 for 2 s (" in second
    assert first.count("\n") == second.count("\n") == 1
