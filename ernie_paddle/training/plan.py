"""Stage plans: how many updates each task gets in each stage, and in which order.

Everything here is a pure function of the plan, the same on all ranks and after any restart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from ernie_paddle.config import Settings, each_once

MOST_UPDATES = 1_000_000_000
Strategy = Literal["continual_multi_task", "sequential", "multi_task", "stages"]


class TaskQuota(Settings):
    """Updates of one task: in total, or for the strategy `stages` one number a stage; the weight of its loss.

    `options` are the task's own.
    """

    updates: int | list[int]
    weight: float = Field(default=1.0, gt=0)
    options: dict[str, Any] = Field(default_factory=dict)


class PlanSettings(Settings):
    """The `plan` section: tasks in the order in which they are introduced.

    `companions` names the token-level tasks whose losses ride along with other tasks; by default all.
    """

    strategy: Strategy = "continual_multi_task"
    tasks: dict[str, TaskQuota] = Field(min_length=1)
    companions: Annotated[list[str], AfterValidator(each_once)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "PlanSettings":
        for name in self.companions or []:
            if name not in self.tasks:
                raise ValueError(f"companion '{name}' is not among the plan's tasks: {', '.join(self.tasks)}")
        counts = [quota.updates for quota in self.tasks.values()]
        if self.strategy == "stages":
            lengths = {len(count) if isinstance(count, list) else 0 for count in counts}
            if lengths == {0} or len(lengths) != 1:
                raise ValueError("strategy 'stages' needs a list of updates, one number a stage, for every task")
        elif any(isinstance(count, list) for count in counts):
            raise ValueError(f"strategy '{self.strategy}' takes one total of updates a task; lists go with 'stages'")
        numbers = [number for count in counts for number in (count if isinstance(count, list) else [count])]
        if min(numbers, default=0) < 0:
            raise ValueError("updates cannot be negative")
        if max(numbers, default=0) > MOST_UPDATES:
            raise ValueError(f"updates of a task are at most {MOST_UPDATES:,}")
        for name, count in zip(self.tasks, counts, strict=True):
            if not (sum(count) if isinstance(count, list) else count):
                raise ValueError(f"task '{name}' has no updates; give it some or leave it out")
        return self


@dataclass(frozen=True)
class StagePlan:
    """`matrix[stage][i]` updates of `tasks[i]`."""

    tasks: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]

    @property
    def stages(self) -> int:
        return len(self.matrix)

    @property
    def total(self) -> int:
        return sum(map(sum, self.matrix))

    def end_of(self, stage: int) -> int:
        """Number of updates done when the stage is over."""
        return sum(map(sum, self.matrix[: stage + 1]))

    def active(self, stage: int) -> tuple[str, ...]:
        """Tasks with updates in the stage."""
        return tuple(task for task, count in zip(self.tasks, self.matrix[stage], strict=True) if count)

    def introduced(self, stage: int) -> tuple[str, ...]:
        """Tasks met in the stage or before."""
        return tuple(task for i, task in enumerate(self.tasks) if any(row[i] for row in self.matrix[: stage + 1]))


def stage_plan(settings: PlanSettings) -> StagePlan:
    """Spread each task's updates over the stages (paper section 3.2, table of the strategies).

    `continual_multi_task`: of T tasks, the one introduced in stage i (from 0) with N updates gets
    u = N // (T + 1) in every later stage and the rest, (i + 2) u, in stage i.
    """
    names, count = tuple(settings.tasks), len(settings.tasks)
    columns: list[list[int]] = []
    for i, quota in enumerate(settings.tasks.values()):
        updates = quota.updates
        if isinstance(updates, list):
            column = updates
        elif settings.strategy == "multi_task":
            column = [updates]
        elif settings.strategy == "sequential":
            column = [updates if stage == i else 0 for stage in range(count)]
        else:
            share, later = updates // (count + 1), count - 1 - i
            column = [0] * i + [updates - share * later] + [share] * later
        columns.append(column)
    rows = tuple(row for row in zip(*columns, strict=True) if any(row))
    return StagePlan(names, rows)


def interleave(quotas: Sequence[int]) -> Iterator[int]:
    """Indices of the quotas, each as often as it says, evenly spread: always the one furthest behind its share.

    No prefix is a full step away from any share; ties go to the first.
    """
    total, spent = sum(quotas), [0] * len(quotas)
    for step in range(1, total + 1):
        chosen = max(
            (i for i, quota in enumerate(quotas) if spent[i] < quota),
            key=lambda i: (quotas[i] * step - spent[i] * total, -i),
        )
        spent[chosen] += 1
        yield chosen


@dataclass(frozen=True)
class PlannedUpdate:
    """One update: its number (the first is 1), stage and primary task."""

    number: int
    stage: int
    task: str


def planned_updates(plan: StagePlan) -> Iterator[PlannedUpdate]:
    """All updates of a plan in order."""
    number = 0
    for stage, quotas in enumerate(plan.matrix):
        for i in interleave(quotas):
            number += 1
            yield PlannedUpdate(number, stage, plan.tasks[i])


def plan_table(plan: StagePlan) -> list[list[str]]:
    """The stage matrix as rows of text: a task a row, a stage a column, totals last."""
    rows = []
    for i, task in enumerate(plan.tasks):
        column = [row[i] for row in plan.matrix]
        rows.append([task, *(f"{count:,}" if count else "-" for count in column), f"{sum(column):,}"])
    rows.append(["all", *(f"{sum(row):,}" for row in plan.matrix), f"{plan.total:,}"])
    return rows
