"""Measuring a plan."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers import assert_user_error, run_command

from ernie_paddle.programs.profiling import operator_times
from ernie_paddle.testing import write_toy_model
from ernie_paddle.training.benchmark import measure
from ernie_paddle.training.trainer import Trainer


def test_each_task_of_a_plan_is_measured_where_it_was_last_active(toy_trainer: Callable[..., Trainer]) -> None:
    tasks = {"knowledge_masking": {"steps": [4, 1]}, "sentence_distance": {"steps": [0, 7]}}
    trainer = toy_trainer(plan={"strategy": "stages", "tasks": tasks})
    said: list[str] = []
    began = time.perf_counter()
    speeds = measure(trainer, 3, said.append)
    elapsed = time.perf_counter() - began
    assert [speed.combination for speed in speeds] == [
        ("knowledge_masking",),
        ("sentence_distance", "knowledge_masking"),
    ]
    assert [speed.planned for speed in speeds] == [5, 7] and len(said) == 2
    for speed in speeds:
        assert len(speed.seconds) == 3 and min(speed.seconds) > 0
        assert 0 < speed.update_seconds < sum(speed.seconds) and speed.waiting >= 0
        assert 0 < speed.tokens <= speed.padded_tokens
    assert sum(sum(speed.seconds) for speed in speeds) < elapsed


def test_a_profile_counts_the_operators_of_what_ran(toy_trainer: Callable[..., Trainer]) -> None:
    trainer = toy_trainer(plan={"tasks": {"knowledge_masking": {"steps": 3}}})
    step = trainer.steps()
    next(step)
    began = time.perf_counter()
    times = {operator.name: operator for operator in operator_times(lambda: next(step) and None)}
    assert 1e-5 < sum(operator.seconds for operator in times.values()) < time.perf_counter() - began
    assert times["pd_op.adamw_"].calls == len(trainer.session.parameters())
    assert all(operator.calls > 0 and operator.seconds >= 0 for operator in times.values())


@pytest.mark.slow
def test_the_command_measures_plans_and_random_tokens(tmp_path: Path, toy_shards: Path) -> None:
    model = write_toy_model(tmp_path / "model.json", 64)
    plan = {
        "model": {"config": str(model)},
        "data": {"shards": str(toy_shards)},
        "plan": {"tasks": {"knowledge_masking": {"steps": 30}, "sentence_distance": {"steps": 30}}},
        "train": {"batch_tokens": 256, "learning_rate": {"peak": 0.001}},
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    out = tmp_path / "bench.json"
    done = run_command("bench", tmp_path / "plan.yaml", "--steps", "2", "--profile", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "the whole plan" in done.stdout and "pd_op." in done.stdout
    found = json.loads(out.read_text())
    assert [len(speed["seconds"]) for speed in found["speeds"]] == [2, 2] and found["operators"]
    done = run_command("bench", "--model", model, "--length", "20", "--steps", "1", "--set", "train.accumulation=2")
    assert done.returncode == 0 and "knowledge_masking" in done.stdout


def test_mistakes_are_said_in_a_line(tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "model.json", 64)
    done = run_command("bench", "--model", model, "--length", "100")
    assert_user_error(done.returncode, done.stderr, "--length 100", "32 positions")
    done = run_command("bench")
    assert_user_error(done.returncode, done.stderr, "--model")
