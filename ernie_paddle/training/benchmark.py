"""Training speed of a plan on this machine, task by task."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import INPUT_IDS
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.registry import Registry
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from ernie_paddle.training.stage_plan import PlannedStep, StagePlan
from ernie_paddle.training.steps import TaskData
from ernie_paddle.training.trainer import Trainer

WARM_UP = 2  # steps, in which programs are built and memory is allocated


@dataclass(frozen=True)
class Speed:
    """The timed steps of one primary task. `padded_tokens` counts the positions of attention's padded layout."""

    combination: tuple[str, ...]  # the primary task and its auxiliary tasks
    seconds: list[float]  # of each step
    update_seconds: float  # in the update program
    waiting: float  # seconds spent waiting for batches
    tokens: int  # without padding
    padded_tokens: int
    planned: int  # steps of the task in the plan

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / sum(self.seconds)

    @property
    def median(self) -> float:
        """The median duration of a step in seconds."""
        return float(np.median(self.seconds))


def measure(trainer: Trainer, steps: int, report: Callable[[str], None]) -> list[Speed]:
    """Time `steps` steps of each task of the plan, in the last stage that trains it.

    Calls `report` with the name of each task before it runs.
    """
    speeds = []
    for column, name in enumerate(trainer.plan.tasks):
        counts = [row[column] for row in trainer.plan.matrix]
        stage = max(i for i, count in enumerate(counts) if count)
        report(f"{name}: {steps} steps after {WARM_UP} warm-up steps")
        results, seconds, began, update_seconds = [], [], time.perf_counter(), 0.0
        planned = (PlannedStep(number, stage, name) for number in range(1, steps + WARM_UP + 1))
        for step in trainer.run(planned):
            seconds.append(time.perf_counter() - began)
            results.append(step)
            if len(results) == WARM_UP:
                update_seconds = trainer.session.update_seconds
            began = time.perf_counter()
        timed = results[WARM_UP:]
        speeds.append(
            Speed(
                tuple(task.name for task in results[0].tasks),
                seconds[WARM_UP:],
                trainer.session.update_seconds - update_seconds,
                sum(step.waited for step in timed),
                sum(step.tokens for step in timed),
                sum(step.padded_tokens for step in timed),
                sum(counts),
            )
        )
    return speeds


def masked_lm_trainer(
    config: ErnieConfig, registry: Registry, samples: int, length: int, train: TrainSettings, impl: ImplSettings
) -> Trainer:
    """Return a trainer of the tasks that are always auxiliary, on `samples` random samples of `length` tokens."""
    vocabulary = Vocabulary(
        {token: i for i, token in enumerate([*SPECIAL_TOKENS, *(f"w{i}" for i in range(config.vocab_size - 5))])}
    )
    shape = (samples, length)
    ids = generator("benchmark", *shape).choice(vocabulary.ordinary_ids, prod(shape))
    tasks = {task.name: task for task in registry.pretraining_tasks if task.always_auxiliary}
    columns = {task.objective.column.name: np.zeros(prod(shape), np.int8) for task in tasks.values()}
    block = SampleBlock(np.full(samples, length), {INPUT_IDS: ids, **columns})
    table = SampleTable([block])
    data = {name: TaskData(table, table, frozenset()) for name in tasks}
    plan = StagePlan(tuple(tasks), (tuple(1 for _ in tasks),))
    return Trainer(config, vocabulary, tasks, data, plan, train, impl)
