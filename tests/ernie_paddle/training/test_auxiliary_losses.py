"""Which losses the steps of a plan have: one pure decision for the trainer and for `ernie-paddle plan`."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import run_command

from ernie_paddle.commands.plan import auxiliary_losses
from ernie_paddle.config import load_settings
from ernie_paddle.pretraining.plan import stage_plan
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.training.stage_plan import planned_steps
from ernie_paddle.training.trainer import Trainer

ROOT = Path(__file__).parents[3]
ABLATION = ("continual_multi_task", "multi_task", "sequential")
TASKS = {name: {"steps": 7} for name in ("knowledge_masking", "capitalization", "sentence_distance")}
PLANS = [
    {"tasks": TASKS},
    {"tasks": TASKS, "strategy": "sequential"},
    {"tasks": TASKS, "strategy": "multi_task", "auxiliary_tasks": ["capitalization"]},
    {"tasks": TASKS, "auxiliary_tasks": []},
    {
        "strategy": "stages",
        "tasks": {"capitalization": {"steps": [3, 0, 2]}, "knowledge_masking": {"steps": [0, 4, 0]}},
    },
]


@pytest.mark.parametrize("plan", PLANS)
def test_the_steps_that_a_plan_counts_are_those_of_the_trainer(
    toy_trainer: Callable[..., Trainer], write_plan: Callable[..., Path], plan: dict[str, object]
) -> None:
    """The recount takes every step of the plan by itself."""
    trainer = toy_trainer(plan=plan)
    primary, auxiliary = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for step in planned_steps(trainer.plan):
        first, *others = trainer.combination(step)
        primary[first.name, step.stage] += 1
        auxiliary.update((task.name, step.stage) for task in others)
    settings = load_settings(PretrainSettings, write_plan(plan=plan), [])
    losses = auxiliary_losses(settings, load_plugins(), stage_plan(settings.plan))
    assert losses is not None
    for name, stages in losses.steps().items():
        for stage, steps in enumerate(stages):
            assert (steps.primary, steps.auxiliary) == (primary[name, stage], auxiliary[name, stage])
            assert steps.effective == steps.primary + steps.auxiliary
    assert losses.steps().keys() == {str(name) for name in plan["tasks"]}  # type: ignore[attr-defined]


def test_the_plan_command_prints_effective_steps_and_which_task_nearly_all_steps_train(
    write_plan: Callable[..., Path],
) -> None:
    """With four tasks of 40 steps, u is 10."""
    tasks = ("knowledge_masking", "capitalization", "sentence_distance")
    said = run_command("plan", write_plan(plan={"tasks": {name: {"steps": 40} for name in tasks}}))
    assert said.returncode == 0, said.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.stdout.splitlines() if "│" in line]
    effective = {row[0]: row[1:] for row in rows if len(row) == 7}
    assert effective == {
        "knowledge_masking": ["20", "40", "60", "40", "80", "120"],
        "capitalization": ["-", "40", "60", "40", "60", "100"],
        "sentence_distance": ["-", "-", "40", "40", "-", "40"],
    }
    (line,) = [line for line in said.stdout.splitlines() if "of the 120 steps" in line]
    assert line.startswith("knowledge_masking: 120 of the 120 steps train it, 80 of them by its auxiliary loss")


def test_effective_steps_of_samples_that_are_not_built_are_not_guessed(
    write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    said = run_command("plan", write_plan(data={"shards": str(tmp_path / "none")}))
    assert said.returncode == 0, said.stderr
    assert "effective" not in said.stdout and "auxiliary" not in said.stdout


@pytest.mark.parametrize("strategy", ABLATION)
def test_the_ablation_trains_each_task_in_its_own_steps_only(strategy: str) -> None:
    settings = load_settings(PretrainSettings, ROOT / f"configs/plans/ablation_{strategy}.yaml", [])
    plan = stage_plan(settings.plan)
    losses = auxiliary_losses(settings, load_plugins(), plan)
    assert losses is not None and settings.plan.strategy == strategy
    for name, stages in losses.steps().items():
        assert sum(steps.effective for steps in stages) == 50_000, "as many for each strategy"
        assert not any(steps.auxiliary for steps in stages)
        if strategy == "sequential":
            assert [stage for stage, steps in enumerate(stages) if steps.effective] == [plan.tasks.index(name)]


def test_the_plan_command_says_that_the_ablation_has_no_auxiliary_losses() -> None:
    said = run_command("plan", ROOT / "configs/plans/ablation_sequential.yaml", cwd=ROOT)
    assert said.returncode == 0 and "no auxiliary losses: each task is trained in its own steps only" in said.stdout
