"""Data parallelism with real processes of one machine, as `tools/launch.sh` starts them."""

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
from helpers import run_command, write_command

from ernie_paddle.model import saved
from ernie_paddle.training import checkpoint
from ernie_paddle.training.log_file import LOG_FILE, read_log

LAUNCH = Path(__file__).parents[3] / "tools" / "launch.sh"
PLAN: dict[str, Any] = {
    "plan": {"tasks": {"knowledge_masking": {"steps": 8}, "sentence_distance": {"steps": 8}}},
    "train": {"batch_tokens": 256, "accumulation": 3, "learning_rate": {"peak": 0.01, "warmup_steps": 5}},
    "impl": {"logging_steps": 4, "save_steps": 5, "keep_checkpoints": 9},
}
# The command line, with a parameter of rank 1 changed after step 6.
DIVERGES = """
from ernie_paddle.cli import main
from ernie_paddle.training.trainer import Trainer

run_step = Trainer._step

def injected(trainer, step, waited, stop):
    result = run_step(trainer, step, waited, stop)
    if trainer.ranks.rank == 1 and step.planned.number == 6:
        name, value = next((n, v) for n, v in trainer.session.parameters().items() if v.ndim == 2)
        value[0, 0] += 1e-3
        trainer.session.set_parameters({name: value})
    return result

Trainer._step = injected
main()
"""


def launched(*arguments: object, path: Path | None = None) -> "subprocess.Popen[str]":
    """Start two ranks of `ernie-paddle`, or of the command of that name in `path`."""
    found = f"{path or ''}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": found}
    command = ["bash", LAUNCH, "--processes", 2, "--grace", 5, *arguments]
    return subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def output_of(process: "subprocess.Popen[str]") -> str:
    """Wait for the launcher; return its output."""
    return process.communicate(timeout=120)[0]


def tensors_of(run: Path) -> dict[str, np.ndarray]:
    folder = saved.checkpoints(run)[-1]
    return saved.load_tensors(folder / saved.MODEL_FILE) | saved.load_tensors(folder / saved.OPTIMIZER_FILE)


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if "key_fc.b_0" not in name:  # whose gradient is 0 but for rounding, which AdamW makes large
            np.testing.assert_allclose(found[name], value, rtol=2e-3, atol=2e-5, err_msg=name)


@pytest.mark.slow
def test_two_ranks_train_as_one_and_resume_after_being_asked_to_stop(
    write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    """With dropout and three micro-batches for two ranks, a stopped and resumed run ends with the same bits.

    If one rank resumes it alone, it ends with the same values up to rounding. The scores are those of all ranks.
    """
    train = {**PLAN["train"], "evaluate_every": {"steps": 6}, "best": {"task": "knowledge_masking"}}
    plan = write_plan(**{**PLAN, "train": train})
    one, two, stopped = tmp_path / "one", tmp_path / "two", tmp_path / "stopped"
    assert run_command("pretrain", plan, "--out", one).returncode == 0
    process = launched("pretrain", plan, "--out", two)
    said = output_of(process)
    assert process.returncode == 0, said
    alone, together = tensors_of(one), tensors_of(two)
    assert_close(together, alone)
    records = [[r for r in read_log(run / LOG_FILE) if r["event"] == "train"] for run in (one, two)]
    assert [r["tokens"] for r in records[0]] == [r["tokens"] for r in records[1]]
    for first, second in zip(*records, strict=True):
        for task, values in first["tasks"].items():
            assert values["labels"] == second["tasks"][task]["labels"]
            assert abs(values["loss"] - second["tasks"][task]["loss"]) < 1e-4

    scored = [[r for r in read_log(run / LOG_FILE) if r["event"] == "evaluation"] for run in (one, two)]
    assert [r["step"] for r in scored[0]] == [r["step"] for r in scored[1]] == [6, 12, 16]
    for first, second in zip(*scored, strict=True):
        for task, score in first["tasks"].items():
            assert score["labels"] == second["tasks"][task]["labels"]
            assert abs(score["loss"] - second["tasks"][task]["loss"]) < 1e-3

    process = launched("pretrain", plan, "--out", stopped)
    while not (stopped / LOG_FILE).exists() or not (stopped / LOG_FILE).stat().st_size:
        assert process.poll() is None, output_of(process)
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said = output_of(process)
    assert process.returncode == 75 and (stopped / checkpoint.LATEST).exists(), said
    shutil.copytree(stopped, tmp_path / "alone_from_there")
    assert run_command("pretrain", plan, "--out", tmp_path / "alone_from_there", "--resume").returncode == 0
    assert_close(tensors_of(tmp_path / "alone_from_there"), together)

    process = launched("pretrain", plan, "--out", stopped, "--resume")
    said = output_of(process)
    assert process.returncode == 0, said
    resumed = tensors_of(stopped)
    assert [name for name in together if together[name].tobytes() != resumed[name].tobytes()] == []
    assert [r for r in read_log(stopped / LOG_FILE) if r["event"] == "evaluation"] == scored[1]
    assert (stopped / saved.BEST).read_text() == (two / saved.BEST).read_text()


@pytest.mark.slow
def test_two_ranks_continue_a_run_as_if_it_had_not_ended(write_plan: Callable[..., Path], tmp_path: Path) -> None:
    """The added stage introduces a task."""
    straight, continued = tmp_path / "straight", tmp_path / "continued"
    train = {**PLAN["train"], "learning_rate": {"peak": 0.01, "schedule": "constant"}}
    tasks = {"knowledge_masking": {"steps": [4, 2]}, "sentence_distance": {"steps": [0, 3]}}
    plan = write_plan(plan={"strategy": "stages", "tasks": tasks}, train=train, impl=PLAN["impl"])
    for out, options in ((straight, ()), (continued, ("--continue-from", straight / "step_4"))):
        process = launched("pretrain", plan, "--out", out, *options)
        said = output_of(process)
        assert process.returncode == 0, said
    expected, found = tensors_of(straight), tensors_of(continued)
    assert expected.keys() == found.keys()
    assert [name for name in expected if expected[name].tobytes() != found[name].tobytes()] == []


@pytest.mark.slow
def test_a_rank_that_diverges_ends_the_job_and_is_named(write_plan: Callable[..., Path], tmp_path: Path) -> None:
    write_command(tmp_path / "bin" / "ernie-paddle", f'exec {sys.executable} {tmp_path}/diverges.py "$@"')
    (tmp_path / "diverges.py").write_text(DIVERGES)
    run = tmp_path / "run"
    process = launched("pretrain", write_plan(**PLAN), "--out", run, path=tmp_path / "bin")
    said = output_of(process)
    assert process.returncode == 2 and "parameters of rank 1 differ" in said, said
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
    process = launched(*command, tmp_path / "two")
    said = output_of(process)
    assert process.returncode == 0, said
    tables = [
        [line.split("\t") for line in (tmp_path / run / "predictions" / "test.tsv").read_text().splitlines()]
        for run in ("one", "two")
    ]
    assert [row[0] for row in tables[0]] == [row[0] for row in tables[1]] == ["index", *map(str, range(37))]
    scores = [np.array([row[2:] for row in table[1:]], np.float64) for table in tables]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)
