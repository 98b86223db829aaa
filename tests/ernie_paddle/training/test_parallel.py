"""Data parallelism with real processes, as `paddle.distributed.launch` starts them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetuning_support import write_recipe
from helpers import run_command

from ernie_paddle.model import saved
from ernie_paddle.ranks import Ranks
from ernie_paddle.training import checkpoint
from ernie_paddle.training.log_file import LOG_FILE, read_log

LAUNCH = Path(__file__).parents[3] / "tools" / "launch.sh"
PLAN: dict[str, Any] = {
    "plan": {"tasks": {"knowledge_masking": {"steps": 8}, "sentence_distance": {"steps": 8}}},
    "train": {"batch_tokens": 256, "accumulation": 3, "learning_rate": {"peak": 0.01, "warmup_steps": 5}},
    "impl": {"logging_steps": 4, "save_steps": 5, "keep_checkpoints": 9},
}
# What a launcher starts: the command line, with something done to rank 1 after step 6.
DRIVER = """
import os, signal
from ernie_paddle.cli import main
from ernie_paddle.training.trainer import Trainer

run_step = Trainer._step

def injected(trainer, step, waited, stop):
    result = run_step(trainer, step, waited, stop)
    if trainer.ranks.rank == 1 and step.planned.number == 6:
        {injection}
    return result

Trainer._step = injected
main()
"""
DIVERGE = """
        name, value = next((n, v) for n, v in trainer.session.parameters().items() if v.ndim == 2)
        value[0, 0] += 1e-3
        trainer.session.set_parameters({name: value})
"""
DIE = "os.kill(os.getpid(), signal.SIGKILL)"


def launched(script: Path, log: Path, *arguments: object) -> "subprocess.Popen[str]":
    """Two ranks of a script that takes the arguments of `ernie-paddle`."""
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", str(log)]
    return started(*launcher, script, *arguments)


def started(*command: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def output_of(process: "subprocess.Popen[str]", log: Path) -> str:
    """Wait for the launcher; return the output of the launcher and all ranks."""
    said, _ = process.communicate(timeout=120)
    return said + "".join(path.read_text() for path in sorted(log.glob("workerlog.*")))


def tensors_of(run: Path) -> dict[str, np.ndarray]:
    folder = saved.checkpoints(run)[-1]
    return saved.load_tensors(folder / saved.MODEL_FILE) | saved.load_tensors(folder / saved.OPTIMIZER_FILE)


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if "key_fc.b_0" not in name:  # whose gradient is 0 but for rounding, which AdamW makes large
            np.testing.assert_allclose(found[name], value, rtol=2e-3, atol=2e-5, err_msg=name)


def test_ranks_share_all_items_evenly() -> None:
    items = list(range(7))
    shares = [Ranks(rank, 3).share(items) for rank in range(3)]
    assert sorted(item for share in shares for item in share) == items
    assert {len(share) for share in shares} == {2, 3}
    assert [Ranks(rank, 9).share(items) for rank in (0, 8)] == [[0], []]


@pytest.mark.slow
def test_two_ranks_train_as_one_and_resume_after_being_asked_to_stop(
    write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    """With dropout and three micro-batches for two ranks, a stopped and resumed run ends with the same bits.

    If one rank resumes it alone, it ends with the same values up to rounding.
    """
    plan = write_plan(**PLAN)
    one, two, stopped = tmp_path / "one", tmp_path / "two", tmp_path / "stopped"
    assert run_command("pretrain", plan, "--out", one).returncode == 0
    launch = ("bash", LAUNCH, "--processes", 2, "pretrain", plan, "--out")
    process = started(*launch, two)
    said = output_of(process, two / "ranks")
    assert process.returncode == 0, said
    alone, together = tensors_of(one), tensors_of(two)
    assert_close(together, alone)
    records = [[r for r in read_log(run / LOG_FILE) if r["event"] == "train"] for run in (one, two)]
    assert [r["tokens"] for r in records[0]] == [r["tokens"] for r in records[1]]
    for first, second in zip(*records, strict=True):
        for task, values in first["tasks"].items():
            assert values["labels"] == second["tasks"][task]["labels"]
            assert abs(values["loss"] - second["tasks"][task]["loss"]) < 1e-4

    process = started(*launch, stopped)
    while not (stopped / LOG_FILE).exists() or not (stopped / LOG_FILE).stat().st_size:
        assert process.poll() is None, output_of(process, stopped / "ranks")
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said = output_of(process, stopped / "ranks")
    assert process.returncode == 75 and (stopped / checkpoint.LATEST).exists(), said
    shutil.copytree(stopped, tmp_path / "alone_from_there")
    assert run_command("pretrain", plan, "--out", tmp_path / "alone_from_there", "--resume").returncode == 0
    assert_close(tensors_of(tmp_path / "alone_from_there"), together)

    process = started(*launch, stopped, "--resume")
    said = output_of(process, stopped / "ranks")
    assert process.returncode == 0, said
    resumed = tensors_of(stopped)
    assert [name for name in together if together[name].tobytes() != resumed[name].tobytes()] == []


def dry_run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(LAUNCH), "--dry-run", *arguments, "pretrain", "plan.yaml", "--out", "runs/x"]
    path = f"{environment.pop('path', '')}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **environment, "PATH": path}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_launcher_numbers_ranks_and_reads_slurm(tmp_path: Path) -> None:
    scontrol = tmp_path / "scontrol"
    scontrol.write_text("#!/bin/sh\nprintf 'node7\\nnode8\\n'\n")
    scontrol.chmod(0o755)
    slurm = {"SLURM_NNODES": "2", "SLURM_NODEID": "1", "SLURM_JOB_NODELIST": "node[7-8]", "path": str(tmp_path)}
    said = dry_run("--processes", "3", **slurm).stdout
    assert [line.split()[1] for line in said.splitlines() if line.startswith("  rank")] == ["3", "4", "5"]
    assert "--nnodes 2" in said and "--master node7:36789 --rank 1" in said
    given = dry_run("--processes", "1", "--nodes", "3", "--node-rank", "2", "--master", "here:99").stdout
    assert "  rank 2 " in given and "--master here:99 --rank 2" in given
    for arguments, word in {
        ("--nodes", "2"): "--master",
        ("--nodes", "2", "--node-rank", "2", "--master", "h:1"): "numbered 0 to 1",
        ("--processes", "none"): "'none' is not a number",
        ("--port", "1"): "unknown option --port",
        ("--master", "host"): "HOST:PORT",
    }.items():
        result = dry_run(*arguments)
        assert result.returncode == 2 and word in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("injection", "word"), [(DIVERGE, "parameters of rank 1 differ"), (DIE, "rank 1")])
def test_a_rank_that_diverges_or_dies_ends_the_job_and_is_named(
    write_plan: Callable[..., Path], tmp_path: Path, injection: str, word: str
) -> None:
    script = tmp_path / "injected.py"
    script.write_text(DRIVER.replace("{injection}", injection.strip()))
    run, log = tmp_path / "run", tmp_path / "log"
    process = launched(script, log, "pretrain", write_plan(**PLAN), "--out", run)
    while not (run / "step_5" / checkpoint.STATE_FILE).exists():
        assert process.poll() is None, output_of(process, log)
        time.sleep(0.01)
    before = time.monotonic()
    said = output_of(process, log)
    assert time.monotonic() - before < 30
    assert process.returncode != 0
    assert word in said, said
    assert saved.resolve(run).name == "step_5"


@pytest.mark.slow
def test_two_ranks_finetune_and_predict_as_one(toy_pretrained: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = random.integers(0, 55, (37, 5))
    rows = "".join(f"{' '.join(f'w{word}' for word in row)}\t{('no', 'yes')[row[0] % 2]}\n" for row in words)
    (tmp_path / "data.tsv").write_text("text_a\tlabel\n" + rows)
    train = {"batch_samples": 8, "accumulation": 2, "learning_rate": {"peak": 0.003}}
    files = {"train": tmp_path / "data.tsv", "dev": tmp_path / "data.tsv", "test": tmp_path / "data.tsv"}
    recipe = write_recipe(tmp_path / "recipe.yaml", files, train=train)
    command = ("finetune", recipe, "--model", toy_pretrained, "--out")
    assert run_command(*command, tmp_path / "one").returncode == 0
    process = started("bash", LAUNCH, "--processes", 2, *command, tmp_path / "two")
    said = output_of(process, tmp_path / "two" / "ranks")
    assert process.returncode == 0, said
    tables = [
        [line.split("\t") for line in (tmp_path / run / "predictions" / "test.tsv").read_text().splitlines()]
        for run in ("one", "two")
    ]
    assert [row[0] for row in tables[0]] == [row[0] for row in tables[1]] == ["index", *map(str, range(37))]
    scores = [np.array([row[2:] for row in table[1:]], np.float64) for table in tables]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)
