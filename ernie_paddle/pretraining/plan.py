"""The `plan` section of a plan config, and the stage plan that it stands for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from ernie_paddle.config import Settings, check_settings, each_once
from ernie_paddle.errors import UserError
from ernie_paddle.task import Task
from ernie_paddle.training.stage_plan import StagePlan

Steps = Annotated[int, Field(ge=0, le=1_000_000_000)]
Strategy = Literal["continual_multi_task", "sequential", "multi_task", "stages"]


class TaskQuota(Settings):
    """The steps of one task, the weight of its loss, and the options of its objective."""

    steps: Steps | list[Steps]
    """Steps of the task in total; with the strategy `stages`, a list with a number for each stage. A plan that
    continues a run gives the steps to add, 0 for none; but lists begin with the stages that were run."""
    weight: float = Field(default=1.0, gt=0)
    """Factor of the task's loss."""
    temperature: float = Field(default=1.0, ge=1)
    """Temperature of the sampling from corpora: their shares are proportional to (samples x weight) to the power of
    1 / temperature, so that a higher one makes them more equal."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The task's own options."""

    @property
    def total(self) -> int:
        """The steps of the task over all stages that are given."""
        return sum(self.steps) if isinstance(self.steps, list) else self.steps


class PlanSettings(Settings):
    """The `plan` section: tasks in the order in which they are introduced."""

    strategy: Strategy = "continual_multi_task"
    """How the steps are spread over stages."""
    tasks: dict[str, TaskQuota] = Field(min_length=1)
    """Tasks by name, in the order in which they are introduced."""
    auxiliary_tasks: Annotated[list[str], AfterValidator(each_once)] | None = None
    """Token-level tasks whose losses are added to steps of other tasks; `null`: those of
    the stage, `[]`: none."""

    @model_validator(mode="after")
    def _consistent(self) -> "PlanSettings":
        for name in self.auxiliary_tasks or []:
            if name not in self.tasks:
                raise ValueError(f"auxiliary task '{name}' is not among the plan's tasks: {', '.join(self.tasks)}")
        counts = [quota.steps for quota in self.tasks.values()]
        if self.strategy == "stages":
            lengths = {len(count) if isinstance(count, list) else 0 for count in counts}
            if lengths == {0} or len(lengths) != 1:
                raise ValueError("strategy 'stages' needs a list of steps for every task, one number per stage")
        elif any(isinstance(count, list) for count in counts):
            raise ValueError(f"strategy '{self.strategy}' takes one number of steps per task; lists need 'stages'")
        return self


def stage_plan(settings: PlanSettings, earlier: StagePlan | None = None) -> StagePlan:
    """Return the steps of each task in each stage, after the stages of the run that is continued (if any).

    Each strategy divides the steps of T tasks as in the paper's table (section 3.2), and only stages that introduce new
    tasks are added. With `continual_multi_task`, a task with N steps that is introduced in stage i (from 0) gets
    u = N // (T + 1) steps in every later stage, and the rest, (i + 2) u or a little more, in stage i. If no task is
    new, it adds one stage in which every task has its N steps, as `multi_task` always does.

    Args:
        earlier: the stages of the run that is continued, as they were run. Its tasks are the first of the plan. With
            `stages`, the lists of steps begin with its stages.

    Raises:
        UserError: other tasks come first, an earlier stage is changed, no stage is added, or a task has no steps.
    """
    earlier = earlier or StagePlan()
    names, known = tuple(settings.tasks), len(earlier.tasks)
    if names[:known] != earlier.tasks:
        raise UserError(
            f"plan.tasks: {', '.join(names)}; a plan that continues a run lists the tasks of that run first, in their "
            f"order: {', '.join(earlier.tasks)}"
        )
    before = tuple((*row, *[0] * (len(names) - known)) for row in earlier.matrix)
    added = tuple(row for row in _rows(settings, known) if any(row))
    if settings.strategy == "stages":
        _check_unchanged(names, before, added)
        added = added[len(before) :]
    plan = StagePlan(names, before + added, len(before))
    for i, name in enumerate(names):
        if not any(row[i] for row in plan.matrix):
            raise UserError(f"plan.tasks.{name}.steps: '{name}' has no steps; give it some, or remove it")
    if not added:
        raise UserError(
            f"plan: the strategy '{settings.strategy}' adds no stage to the {len(before)} that were run: "
            + ("the lists have only these" if settings.strategy == "stages" else "no task with steps is new")
        )
    return plan


def _rows(settings: PlanSettings, known: int) -> Iterator[tuple[int, ...]]:
    """Yield the steps of all tasks in each stage. Only `stages` has those that introduce the first `known` tasks."""
    steps = [quota.steps for quota in settings.tasks.values()]
    if settings.strategy == "stages":
        yield from zip(*(column for column in steps if isinstance(column, list)), strict=True)
        return
    totals = [total for total in steps if isinstance(total, int)]
    introduced = range(known, len(totals))
    if settings.strategy == "multi_task" or (settings.strategy == "continual_multi_task" and not introduced):
        yield tuple(totals)
        return
    for new in introduced:
        if settings.strategy == "sequential":
            yield tuple(total if i == new else 0 for i, total in enumerate(totals))
        else:
            shares = [total // (len(totals) + 1) for total in totals]
            rest = totals[new] - shares[new] * (len(totals) - 1 - new)
            yield (*shares[:new], rest, *[0] * (len(totals) - 1 - new))


def _check_unchanged(names: tuple[str, ...], before: Sequence[Sequence[int]], stages: Sequence[Sequence[int]]) -> None:
    """Raise a `UserError` if the first of the stages are not those that were run before."""

    def described(row: Sequence[int]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in zip(names, row, strict=False)) or "no such stage"

    for number, (was, now) in enumerate(zip_longest(before, stages[: len(before)], fillvalue=()), 1):
        if tuple(was) != tuple(now):
            raise UserError(
                f"plan.tasks: stage {number} was run with the steps {described(was)}, and the plan has "
                f"{described(now)}; stages that were run stay as they are, new ones follow them"
            )


def configured(task: Task, quota: TaskQuota) -> Task:
    """Return a task with the options of a plan.

    Raises:
        UserError: an option is unknown or invalid.
    """
    options = check_settings(task.objective.Options, quota.options, f"plan.tasks.{task.name}.options")
    return replace(task, objective=task.objective.configured(options))


def auxiliary_tasks_of(plan: PlanSettings, tasks: Mapping[str, Task]) -> list[str]:
    """Return the names of the tasks whose losses may be added to other tasks' steps.

    Raises:
        UserError: the plan names another task than a token-level one.
    """
    token_level = [name for name, task in tasks.items() if task.objective.level == "token"]
    if plan.auxiliary_tasks is None:
        return token_level
    for name in plan.auxiliary_tasks:
        if name not in token_level:
            raise UserError(f"plan.auxiliary_tasks: '{name}' is not a token-level task; only those can be auxiliary")
    return plan.auxiliary_tasks


def plan_table(plan: StagePlan) -> list[list[str]]:
    """Return the stage plan as rows of text: one row per task, one column per stage, totals last."""
    rows = []
    for i, task in enumerate(plan.tasks):
        column = [row[i] for row in plan.matrix]
        rows.append([task, *(f"{count:,}" if count else "-" for count in column), f"{sum(column):,}"])
    rows.append(["all", *(f"{sum(row):,}" for row in plan.matrix), f"{plan.total:,}"])
    return rows
