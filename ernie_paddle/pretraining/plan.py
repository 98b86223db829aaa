"""The `plan` section of a plan config, and the stage plan that it stands for."""

from collections.abc import Mapping
from dataclasses import replace
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
    """Steps of the task in total; with the strategy `stages`, a list with a number for each stage."""
    weight: float = Field(default=1.0, gt=0)
    """Factor of the task's loss."""
    temperature: float = Field(default=1.0, ge=1)
    """Temperature of the sampling from corpora: their shares are proportional to (samples x weight) to the power of
    1 / temperature, so that a higher one makes them more equal."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The task's own options."""


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
        for name, count in zip(self.tasks, counts, strict=True):
            if not (sum(count) if isinstance(count, list) else count):
                raise ValueError(f"task '{name}' has no steps; give it some, or remove it")
        return self


def stage_plan(settings: PlanSettings) -> StagePlan:
    """Return the steps of each task in each stage (paper section 3.2, table of the strategies).

    With `continual_multi_task` and T tasks, a task with N steps that is introduced in stage i (from 0) gets
    u = N // (T + 1) steps in every later stage, and the rest, (i + 2) u or a little more, in stage i.
    """
    names, count = tuple(settings.tasks), len(settings.tasks)
    columns: list[list[int]] = []
    for i, quota in enumerate(settings.tasks.values()):
        steps = quota.steps
        if isinstance(steps, list):
            column = steps
        elif settings.strategy == "multi_task":
            column = [steps]
        elif settings.strategy == "sequential":
            column = [steps if stage == i else 0 for stage in range(count)]
        else:
            share, later = steps // (count + 1), count - 1 - i
            column = [0] * i + [steps - share * later] + [share] * later
        columns.append(column)
    rows = tuple(row for row in zip(*columns, strict=True) if any(row))
    return StagePlan(names, rows)


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
