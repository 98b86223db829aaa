"""Stage plans: the number of steps of each task in each stage, the order of the steps, and their auxiliary losses.

Everything here is a pure function of the plan. All ranks therefore agree, and a resumed run repeats no step.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ernie_paddle.errors import UserError
from ernie_paddle.task import Task


@dataclass(frozen=True)
class StagePlan:
    """The steps of each task in each stage: `matrix[stage][i]` steps of `tasks[i]`.

    The first `earlier` stages belong to the run that this one continues. They stand as they were run.
    """

    tasks: tuple[str, ...] = ()
    matrix: tuple[tuple[int, ...], ...] = ()
    earlier: int = 0

    @property
    def stages(self) -> int:
        return len(self.matrix)

    @property
    def total(self) -> int:
        return sum(map(sum, self.matrix))

    @property
    def own(self) -> "StagePlan":
        """The stages without the earlier ones."""
        return StagePlan(self.tasks, self.matrix[self.earlier :])

    def until(self, step: int) -> "StagePlan":
        """Return what was run up to a step: the stages, the last as far as it went, and the tasks that had steps."""
        rows: list[tuple[int, ...]] = []
        for quotas in self.matrix:
            left = step - sum(map(sum, rows))
            spent = Counter(islice(interleave(quotas), left)) if left < sum(quotas) else dict(enumerate(quotas))
            if left:
                rows.append(tuple(spent[i] for i in range(len(quotas))))
        introduced = [i for i in range(len(self.tasks)) if any(row[i] for row in rows)]
        return StagePlan(
            tuple(self.tasks[i] for i in introduced), tuple(tuple(row[i] for i in introduced) for row in rows)
        )

    def end_of(self, stage: int) -> int:
        """Return the number of the stage's last step."""
        return sum(map(sum, self.matrix[: stage + 1]))

    @property
    def begin(self) -> int:
        """The number of the steps that were run before."""
        return self.end_of(self.earlier - 1)

    @property
    def ends(self) -> list[int]:
        """The numbers of the stages' last steps."""
        return [self.end_of(stage) for stage in range(self.stages)]

    def active(self, stage: int) -> tuple[str, ...]:
        """Return the tasks that have steps in the stage."""
        return tuple(task for task, count in zip(self.tasks, self.matrix[stage], strict=True) if count)

    def introduced(self, stage: int) -> tuple[str, ...]:
        """Return the tasks that have steps in the stage or an earlier one."""
        return tuple(task for i, task in enumerate(self.tasks) if any(row[i] for row in self.matrix[: stage + 1]))


def check_heads_first(heads_first: int, plan: StagePlan) -> None:
    """Raise a `UserError` if there are fewer stages than those in which the heads alone are trained."""
    if heads_first > (own := plan.own.stages):
        raise UserError(
            f"train.heads_first {heads_first}: is more than the {own} stages (in fine-tuning, epochs) to run"
        )


def interleave(quotas: Sequence[int]) -> Iterator[int]:
    """Yield index i `quotas[i]` times, evenly spread: the next index is the one furthest behind its share.

    In every prefix each count differs from its share by less than one step. Ties go to the first index.
    """
    total, spent = sum(quotas), [0] * len(quotas)
    for step in range(1, total + 1):
        index = max(
            (i for i, quota in enumerate(quotas) if spent[i] < quota),
            key=lambda i: (quotas[i] * step - spent[i] * total, -i),
        )
        spent[index] += 1
        yield index


@dataclass(frozen=True)
class PlannedStep:
    """One step: its number (from 1), its stage (from 0) and its primary task."""

    number: int
    stage: int
    task: str


def planned_steps(plan: StagePlan) -> Iterator[PlannedStep]:
    """Yield all steps of a plan in order."""
    number = 0
    for stage, quotas in enumerate(plan.matrix):
        for i in interleave(quotas):
            number += 1
            yield PlannedStep(number, stage, plan.tasks[i])


@dataclass(frozen=True)
class TaskSteps:
    """A task's steps: those whose primary task it is, and those of other tasks that its loss is added to."""

    primary: int
    auxiliary: int

    @property
    def effective(self) -> int:
        """The steps that train the task."""
        return self.primary + self.auxiliary


@dataclass(frozen=True)
class AuxiliaryLosses:
    """The losses that a plan's steps have besides that of their primary task.

    `tasks` are those whose loss may be added to steps of others. `label_columns` names, for each task of the plan, the
    columns of its samples that hold labels.
    """

    plan: StagePlan
    tasks: tuple[Task, ...]
    label_columns: Mapping[str, Collection[str]]

    def of(self, stage: int, primary: str) -> tuple[Task, ...]:
        """Return the auxiliary tasks of a step: those whose labels the samples of its primary task have."""
        active, introduced = set(self.plan.active(stage)), set(self.plan.introduced(stage))
        return tuple(
            task
            for task in self.tasks
            if task.name != primary
            and task.name in (introduced if task.always_auxiliary else active)
            and task.objective.column.name in self.label_columns[primary]
        )

    def steps(self) -> dict[str, list[TaskSteps]]:
        """Return the steps of each task in each stage of the plan, without those of the run that it continues."""
        steps: dict[str, list[TaskSteps]] = {name: [] for name in self.plan.tasks}
        for stage in range(self.plan.earlier, self.plan.stages):
            primary = dict(zip(self.plan.tasks, self.plan.matrix[stage], strict=True))
            auxiliary = dict.fromkeys(primary, 0)
            for name, count in primary.items():
                for task in self.of(stage, name) if count else ():
                    auxiliary[task.name] += count
            for name, in_stages in steps.items():
                in_stages.append(TaskSteps(primary[name], auxiliary[name]))
        return steps
