"""A run that was stopped and resumed ends exactly as one that never stopped."""

import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import Run, assert_user_error, run_command

from ernie_paddle.model import saved
from ernie_paddle.registry import load_plugins
from ernie_paddle.stopping import Stopped
from ernie_paddle.training import checkpoint
from ernie_paddle.training.log_file import LOG_FILE, read_log
from ernie_paddle.training.run import run_stages, save, start
from ernie_paddle.training.trainer import Trainer

PREEMPTED = 75  # what schedulers such as Slurm take for "run it again"
TWO_TASKS = {"tasks": {"knowledge_masking": {"steps": 12}, "sentence_distance": {"steps": 12}}}
TRAIN = {"batch_tokens": 512, "accumulation": 2, "learning_rate": {"peak": 0.01, "warmup_steps": 5}}


def state_of(trainer: Trainer) -> dict[str, np.ndarray]:
    return trainer.session.parameters() | trainer.session.optimizer_state()


def assert_identical(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    different = [name for name in left if left[name].tobytes() != right[name].tobytes()]
    assert not different


@pytest.mark.slow
def test_resuming_at_any_step_gives_bit_identical_parameters_and_moments(
    toy_trainer: Callable[..., Trainer], tmp_path: Path
) -> None:
    """The run has accumulation and dropout. It resumes in the middle and at the end of epochs and stages."""
    straight = toy_trainer(plan=TWO_TASKS, train=TRAIN)
    stops: dict[str, int] = {}
    for step in straight.steps():
        number, task = step.planned.number, step.planned.task
        before = straight.progress.cursors[task]
        save(straight, tmp_path / f"at_{number}", {})
        if number == straight.plan.end_of(0):
            stops["end of a stage"] = number
        elif before.batch == 0:
            stops.setdefault("end of an epoch", number)
        elif before.batch > 1:
            stops.setdefault("inside an epoch", number)
    assert len(stops) == 3, stops
    for number in stops.values():
        resumed = toy_trainer(plan=TWO_TASKS, train=TRAIN)
        start(resumed, {}, saved.resolve(tmp_path / f"at_{number}"))
        assert resumed.progress.step == number
        for _ in resumed.steps():
            pass
        assert_identical(state_of(straight), state_of(resumed))


def test_a_run_that_began_with_a_model_is_resumed_by_the_same_command(
    run: Run, write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    plan = write_plan(plan={"tasks": {"knowledge_masking": {"steps": 4}}}, impl={"save_steps": 2})
    model, out = tmp_path / "model", tmp_path / "out"
    assert run("pretrain", plan, "--out", model)[0] == 0
    command = ("pretrain", plan, "--init", model, "--out", out, "--resume", "auto")
    code, stderr = run(*command)
    assert code == 0 and "tensors loaded" in stderr
    before = (out / "step_4" / saved.MODEL_FILE).read_bytes()
    shutil.rmtree(out / "step_4")
    code, stderr = run(*command)
    assert code == 0 and f"resuming from {out}/step_2" in stderr and "tensors loaded" not in stderr
    assert (out / "step_4" / saved.MODEL_FILE).read_bytes() == before


@pytest.mark.slow
def test_a_run_killed_at_random_moments_and_resumed_writes_the_same_bytes(
    write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    train = {**TRAIN, "evaluate_every": {"steps": 5}, "best": {"task": "knowledge_masking"}}
    plan = write_plan(plan=TWO_TASKS, train=train, impl={"logging_steps": 1, "save_steps": 3, "keep_checkpoints": 1})
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert run_command("pretrain", plan, "--out", straight).returncode == 0
    command = [sys.executable, "-m", "ernie_paddle", "pretrain", str(plan), "--out", str(killed), "--resume", "auto"]
    random = np.random.default_rng()
    for blow in (signal.SIGKILL, signal.SIGTERM):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for_a_record(killed / LOG_FILE, process)
        delay = random.uniform(0, 1.5)
        time.sleep(delay)
        process.send_signal(blow)
        code = process.wait()
        print(f"{blow.name} {delay:.2f} s after the first record: {code}")
        assert blow == signal.SIGKILL or code in (0, PREEMPTED)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for name in (saved.MODEL_FILE, saved.OPTIMIZER_FILE):
        assert (saved.resolve(straight) / name).read_bytes() == (saved.resolve(killed) / name).read_bytes()
    assert spent_in(straight) == spent_in(killed)
    evaluations = [
        [record for record in read_log(run / LOG_FILE) if record["event"] == "evaluation"] for run in (straight, killed)
    ]
    assert evaluations[0] == evaluations[1] and [record["step"] for record in evaluations[0]] == [5, 8, 10, 15, 20, 24]
    best = [(run / saved.BEST).read_text() for run in (straight, killed)]
    kept = [[path.name for path in saved.checkpoints(run)] for run in (straight, killed)]
    assert best[0] == best[1] and kept[0] == kept[1] and best[0].strip() in kept[0]


def wait_for_a_record(log: Path, process: "subprocess.Popen[bytes]") -> None:
    size = log.stat().st_size if log.exists() else 0
    while process.poll() is None and (not log.exists() or log.stat().st_size <= size):
        time.sleep(0.01)


def spent_in(run: Path) -> Counter[tuple[int, str]]:
    """Count the steps of each stage and task in the log."""
    spent: Counter[tuple[int, str]] = Counter()
    for record in read_log(run / LOG_FILE):
        for task, count in record.get("steps", {}).items():
            spent[record["stage"], task] += count
    return spent


def test_a_stop_asked_of_another_rank_while_the_last_stage_is_scored_is_heeded(
    toy_trainer: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No later step tells the ranks of each other's signals; all ranks end once the checkpoint is complete."""
    trainer = toy_trainer(plan={"tasks": {"knowledge_masking": {"steps": 2}}}, train=TRAIN)
    asked: list[bool] = []
    waited_at: list[Path] = []
    monkeypatch.setattr(trainer.session, "any_rank", lambda here: not asked.append(here))  # type: ignore[func-returns-value]
    monkeypatch.setattr(trainer.session, "barrier", lambda: waited_at.append(saved.resolve(tmp_path)))
    with pytest.raises(Stopped) as stop:
        run_stages(trainer, tmp_path, {}, lambda last, log: None, ())
    assert stop.value.exit_code == PREEMPTED and asked == [False] and waited_at == [tmp_path / "step_2"]


def test_a_full_disk_ends_a_run_and_leaves_the_last_checkpoint_complete(
    write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    """A limit on the size of files simulates the full disk."""
    plan, run = write_plan(impl={"logging_steps": 1, "save_steps": 4, "keep_checkpoints": 9}), tmp_path / "run"
    command = [sys.executable, "-m", "ernie_paddle", "pretrain", str(plan), "--out", str(run), "--resume", "auto"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (run / checkpoint.LATEST).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == PREEMPTED
    last = saved.resolve(run)
    limit = (last / saved.MODEL_FILE).stat().st_size * 3 // 2  # room for parameters, not for moments
    full = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert_user_error(full.returncode, full.stderr, "cannot be written", "earlier checkpoints are complete", "--resume")
    assert saved.resolve(run) == last
    checkpoint.check_checkpoint(last)
    assert checkpoint.newest_complete(run, lambda fault: pytest.fail(fault)) == last


def test_the_log_counts_the_steps_of_the_plan(write_plan: Callable[..., Path], tmp_path: Path) -> None:
    tasks = {"knowledge_masking": {"steps": 7}, "sentence_distance": {"steps": 8}}
    plan = write_plan(plan={"tasks": tasks}, impl={"logging_steps": 4})
    result = run_command("pretrain", plan, "--out", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert spent_in(tmp_path / "run") == {
        (1, "knowledge_masking"): 5,
        (2, "knowledge_masking"): 2,
        (2, "sentence_distance"): 8,
    }
    programs = [record for record in read_log(tmp_path / "run" / LOG_FILE) if record["event"] == "program"]
    assert {record["combination"][0] for record in programs} == set(tasks)
    assert all(record["matrix_products"] > 10 and not record["in_low_precision"] for record in programs)
    again = run_command("pretrain", plan, "--out", tmp_path / "run")
    assert_user_error(again.returncode, again.stderr, "--resume")
    other = run_command("pretrain", plan, "--out", tmp_path / "run", "--resume", "--set", "train.seed=5")
    assert_user_error(other.returncode, other.stderr, "train.seed", "5")


def test_plugins_of_this_package_are_found() -> None:
    registry = load_plugins()
    assert {"knowledge_masking", "capitalization", "sentence_reordering", "sentence_distance"} <= set(
        registry.pretraining_tasks.names()
    )
    assert set(registry.pretraining_tasks.names()) == set(registry.sample_builders.names())
