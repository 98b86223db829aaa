"""Measuring a plan."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import assert_user_error, run_command

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.profiling import operator_times
from ernie_paddle.programs.task_program import build_task_program
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import ImplSettings, LearningRateSettings, TrainSettings
from ernie_paddle.testing import write_toy_model
from ernie_paddle.training.benchmark import encoder_flops, masked_lm_trainer, measure, model_flops
from ernie_paddle.training.stage_plan import planned_steps
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
        assert speed.flops > 0 and speed.cost.task.operators > speed.cost.update.operators > 0
        assert speed.launches < speed.cost.task.operators + speed.cost.update.operators
    assert sum(sum(speed.seconds) for speed in speeds) < elapsed


def test_a_profile_counts_the_operators_of_what_ran(toy_trainer: Callable[..., Trainer]) -> None:
    trainer = toy_trainer(plan={"tasks": {"knowledge_masking": {"steps": 3}}})
    step = trainer.steps()
    next(step)
    began = time.perf_counter()
    times = {operator.name: operator for operator in operator_times(lambda: next(step) and None)}
    assert 1e-5 < sum(operator.seconds for operator in times.values()) < time.perf_counter() - began
    tasks = list(trainer.tasks.values())
    groups = build_task_program(trainer.config, tasks, True, trainer.session.backend).groups
    assert times["pd_op.adamw_"].calls == len(groups)
    assert all(operator.calls > 0 and operator.seconds >= 0 for operator in times.values())


def multiplied(*sizes: int) -> int:
    """Operations of a product of matrices [a, b] and [b, c]: a multiplication and an addition for each term."""
    return 2 * int(np.prod(sizes))


def test_flops_of_the_encoder_are_those_of_its_products() -> None:
    hidden, inner, layers, lengths, queries = 8, 20, 3, [5, 9], [5, 2]
    config = ErnieConfig(
        vocab_size=30,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        hidden_act="gelu",
        intermediate_size=inner,
        max_position_embeddings=16,
    )
    expected = 0
    for layer in range(layers):
        for length, selected in zip(lengths, lengths if layer < layers - 1 else queries, strict=True):
            expected += 2 * multiplied(selected, hidden, hidden) + 2 * multiplied(length, hidden, hidden)
            expected += 2 * 2 * multiplied(selected, hidden // 2, length)  # of two heads: scores and contexts
            expected += multiplied(selected, hidden, inner) + multiplied(selected, inner, hidden)
    assert encoder_flops(config, np.array(lengths), np.array(queries)) == expected


@pytest.mark.parametrize("accumulation", [1, 3])
def test_flops_of_a_step_are_those_of_its_micro_batches_and_masked_tokens(accumulation: int, toy_model: Path) -> None:
    config = ErnieConfig.load(toy_model)
    train = TrainSettings(batch_samples=4, accumulation=accumulation, learning_rate=LearningRateSettings(peak=1e-3))
    trainer = masked_lm_trainer(config, load_plugins(), 4 * accumulation, 20, train, ImplSettings())
    (step,) = trainer.preparer.prepare_all(planned_steps(trainer.plan), {})
    selected = sum(len(batch.feed["selected"]) for batch in step.micro_batches.values())
    sequences = 4 * accumulation
    masked = int(step.label_counts[0])
    assert masked <= selected < sequences * 20
    head = multiplied(masked, 16, 16) + multiplied(masked, 16, 64)
    full = encoder_flops(config, np.full(sequences, 20), np.full(sequences, selected / sequences))
    np.testing.assert_allclose(model_flops(config, step), 3 * (full + head), rtol=1e-6)


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
    assert all(0 < speed["peak_share"] < 1 for speed in found["speeds"]) and found["peak_flops"] > 1e8
    assert "launches" in done.stdout and "of the peak" in done.stdout
    done = run_command("bench", "--model", model, "--length", "20", "--steps", "1", "--set", "train.accumulation=2")
    assert done.returncode == 0 and "knowledge_masking" in done.stdout


def test_mistakes_are_said_in_a_line(tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "model.json", 64)
    done = run_command("bench", "--model", model, "--length", "100")
    assert_user_error(done.returncode, done.stderr, "--length 100", "32 positions")
    done = run_command("bench")
    assert_user_error(done.returncode, done.stderr, "--model")
