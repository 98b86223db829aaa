"""Stage plans and the order of steps."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import run_command

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.pretraining.plan import PlanSettings, stage_plan
from ernie_paddle.training.stage_plan import StagePlan, interleave, planned_steps

ROOT = Path(__file__).parents[3]


def plan_of(strategy: str, **steps: int | list[int]) -> PlanSettings:
    tasks = {name: {"steps": count} for name, count in steps.items()}
    return check_settings(PlanSettings, {"strategy": strategy, "tasks": tasks}, "plan")


def test_four_tasks_of_50k_give_the_stages_of_the_paper() -> None:
    plan = stage_plan(plan_of("continual_multi_task", a=50_000, b=50_000, c=50_000, d=50_000))
    assert plan.matrix == (
        (20_000, 0, 0, 0),
        (10_000, 30_000, 0, 0),
        (10_000, 10_000, 40_000, 0),
        (10_000, 10_000, 10_000, 50_000),
    )


def test_the_plan_command_prints_the_stages_of_the_paper() -> None:
    result = run_command("plan", ROOT / "configs/plans/ablation_continual_multi_task.yaml", cwd=ROOT)
    assert result.returncode == 0, result.stderr
    numbers = [[cell.strip() for cell in line.split("│")[2:-1]] for line in result.stdout.splitlines() if "│" in line]
    assert numbers[:4] == [
        ["20,000", "10,000", "10,000", "10,000", "50,000"],
        ["-", "30,000", "10,000", "10,000", "50,000"],
        ["-", "-", "40,000", "10,000", "50,000"],
        ["-", "-", "-", "50,000", "50,000"],
    ]


def test_sequential_gives_a_stage_to_each_task() -> None:
    assert stage_plan(plan_of("sequential", a=3, b=5)).matrix == ((3, 0), (0, 5))


def test_multi_task_gives_one_stage_to_all() -> None:
    assert stage_plan(plan_of("multi_task", a=3, b=5)).matrix == ((3, 5),)


def test_explicit_stages_are_taken_as_they_are() -> None:
    assert stage_plan(plan_of("stages", a=[3, 1], b=[0, 5])).matrix == ((3, 0), (1, 5))


@pytest.mark.parametrize("strategy", ["continual_multi_task", "sequential", "multi_task"])
def test_each_task_gets_its_steps_exactly_whatever_their_number(strategy: str) -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        steps = {f"t{i}": int(n) for i, n in enumerate(random.integers(1, 200, random.integers(1, 8)))}
        plan = stage_plan(plan_of(strategy, **steps))
        spent = Counter(step.task for step in planned_steps(plan))
        assert spent == steps


def test_no_prefix_of_a_stage_is_a_full_step_off_its_shares() -> None:
    random = np.random.default_rng(1)
    for _ in range(50):
        quotas = random.integers(0, 60, random.integers(1, 8))
        quotas[0] += 1
        spent = np.zeros(len(quotas))
        for step, chosen in enumerate(interleave(quotas.tolist()), 1):
            spent[chosen] += 1
            assert np.abs(spent - quotas * step / quotas.sum()).max() < 1
        assert (spent == quotas).all()


def test_of_tasks_equally_far_behind_the_first_is_next() -> None:
    assert list(interleave([2, 2, 2])) == [0, 1, 2, 0, 1, 2]
    assert list(interleave([1, 0, 1])) == [0, 2]


def test_stages_follow_each_other_and_steps_are_numbered_from_one() -> None:
    plan = stage_plan(plan_of("continual_multi_task", a=10, b=7, c=9))
    steps = list(planned_steps(plan))
    assert [step.number for step in steps] == list(range(1, plan.total + 1))
    for stage in range(plan.stages):
        last = [step.number for step in steps if step.stage == stage][-1]
        assert last == plan.end_of(stage)


# ---- stages that are added to a run ----


def test_a_plan_is_the_same_whether_its_last_tasks_are_known_from_the_beginning_or_not() -> None:
    """For each strategy with a stage for each task: T counts all tasks, so the rows of later stages are the same."""
    random = np.random.default_rng(2)
    for _ in range(30):
        steps = {f"t{i}": int(n) for i, n in enumerate(random.integers(9, 99, random.integers(2, 7)))}
        for strategy in ("continual_multi_task", "sequential"):
            whole = stage_plan(plan_of(strategy, **steps))
            for stage in range(whole.stages - 1):
                run = whole.until(whole.end_of(stage))
                assert stage_plan(plan_of(strategy, **steps), run) == replace(whole, earlier=stage + 1)


def test_a_new_task_gets_its_own_stage_and_earlier_ones_a_share_of_theirs() -> None:
    """Recounted: with T tasks, N // (T + 1) for rehearsal, and all N steps of a new task from its stage on."""
    random = np.random.default_rng(3)
    for _ in range(30):
        known, new, stages = (int(n) for n in random.integers(1, 4, 3))
        matrix = tuple(map(tuple, random.integers(1, 50, (stages, known)).tolist()))
        earlier = StagePlan(tuple(f"t{i}" for i in range(known)), matrix)
        steps = {f"t{i}": int(n) for i, n in enumerate(random.integers(0, 99, known))}
        steps |= {f"t{i}": int(n) for i, n in enumerate(random.integers(1, 99, new), known)}
        plan = stage_plan(plan_of("continual_multi_task", **steps), earlier)
        assert plan.earlier == stages and plan.stages == stages + new
        assert [row[:known] for row in plan.matrix[:stages]] == list(matrix)
        assert not np.array(plan.matrix)[:stages, known:].any()
        for number, row in enumerate(plan.own.matrix):
            for i, (name, total) in enumerate(steps.items()):
                if i < known + number:
                    assert row[i] == total // (known + new + 1), name
                elif i > known + number:
                    assert row[i] == 0, name
        added = np.array(plan.own.matrix).sum(axis=0)
        assert added[known:].tolist() == list(steps.values())[known:]
        assert plan.matrix[-1][-1] == list(steps.values())[-1], "the last new task has all its steps in its stage"


@pytest.mark.parametrize(
    ("strategy", "steps", "rows"),
    [
        ("continual_multi_task", {"a": 8, "b": 12, "c": 5}, ((2, 3, 5),)),
        ("continual_multi_task", {"a": 0, "b": 12, "c": 5}, ((0, 3, 5),)),
        ("continual_multi_task", {"a": 8, "b": 12}, ((8, 12),)),
        ("sequential", {"a": 8, "b": 12, "c": 5, "d": 6}, ((0, 0, 5, 0), (0, 0, 0, 6))),
        ("multi_task", {"a": 8, "b": 12, "c": 5}, ((8, 12, 5),)),
        ("multi_task", {"a": 8, "b": 0}, ((8, 0),)),
        ("stages", {"a": [4, 2, 1], "b": [0, 3, 0], "c": [0, 0, 7]}, ((1, 0, 7),)),
        ("stages", {"a": [4, 2, 1, 0, 2], "b": [0, 3, 0, 0, 2]}, ((1, 0), (2, 2))),
    ],
)
def test_stages_that_strategies_add_to_a_run(
    strategy: str, steps: dict[str, int | list[int]], rows: tuple[tuple[int, ...], ...]
) -> None:
    plan = stage_plan(plan_of(strategy, **steps), StagePlan(("a", "b"), ((4, 0), (2, 3))))
    assert plan.own.matrix == rows and plan.earlier == 2


@pytest.mark.parametrize(
    ("tree", "word"),
    [
        ({"strategy": "stages", "tasks": {"a": {"steps": 3}}}, "list of steps"),
        ({"strategy": "multi_task", "tasks": {"a": {"steps": [3]}}}, "one number of steps per task"),
        ({"strategy": "stages", "tasks": {"a": {"steps": [1, 2]}, "b": {"steps": [1]}}}, "list of steps"),
        ({"tasks": {"a": {"steps": -1}}}, "tasks.a.steps.: expected at least 0, found -1"),
        ({"tasks": {"a": {"steps": 1}}, "auxiliary_tasks": ["b"]}, "not among"),
        ({"tasks": {}}, "tasks"),
    ],
)
def test_plans_that_make_no_sense_are_refused(tree: dict[str, object], word: str) -> None:
    with pytest.raises(UserError, match=word):
        check_settings(PlanSettings, tree, "plan.yaml")
