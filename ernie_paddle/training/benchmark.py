"""How fast a plan trains on this machine, task by task."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.registry import Registry
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from ernie_paddle.training.plan import PlannedUpdate, StagePlan
from ernie_paddle.training.trainer import Trainer
from ernie_paddle.training.updates import TaskData

WARM_UP = 2  # updates: programs are built and memory is found


@dataclass(frozen=True)
class Speed:
    """Updates with one primary task. `tokens` are real ones, `cells` those of attention's rectangles."""

    combination: tuple[str, ...]
    seconds: list[float]
    in_updates: float  # seconds in the update program
    waiting: float  # seconds for batches
    tokens: int
    cells: int
    planned: int  # updates of the plan

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / sum(self.seconds)

    @property
    def median(self) -> float:
        """Seconds of an update."""
        return float(np.median(self.seconds))


def measure(trainer: Trainer, updates: int, report: Callable[[str], None]) -> list[Speed]:
    """Run some updates of each task of the plan, in the last stage that has it; `report` hears which task is next."""
    speeds = []
    for column, name in enumerate(trainer.plan.tasks):
        counts = [row[column] for row in trainer.plan.matrix]
        stage = max(i for i, count in enumerate(counts) if count)
        report(f"{name}: {updates} updates, after {WARM_UP} that do not count")
        steps, seconds, asked, in_updates = [], [], time.perf_counter(), 0.0
        planned = (PlannedUpdate(number, stage, name) for number in range(1, updates + WARM_UP + 1))
        for step in trainer.run(planned):
            seconds.append(time.perf_counter() - asked)
            steps.append(step)
            if len(steps) == WARM_UP:
                in_updates = trainer.session.update_seconds
            asked = time.perf_counter()
        counted = steps[WARM_UP:]
        speeds.append(
            Speed(
                tuple(task.name for task in steps[0].tasks),
                seconds[WARM_UP:],
                trainer.session.update_seconds - in_updates,
                sum(step.waited for step in counted),
                sum(step.tokens for step in counted),
                sum(step.cells for step in counted),
                sum(counts),
            )
        )
    return speeds


def masked_lm_trainer(
    config: ErnieConfig, registry: Registry, samples: int, length: int, train: TrainSettings, impl: ImplSettings
) -> Trainer:
    """A trainer of the tasks that always ride along, on random samples of one length."""
    vocabulary = Vocabulary(
        {token: i for i, token in enumerate([*SPECIAL_TOKENS, *(f"w{i}" for i in range(config.vocab_size - 5))])}
    )
    shape = (samples, length)
    ids = generator("benchmark", *shape).choice(vocabulary.ordinary_ids, prod(shape))
    block = SampleBlock(np.full(samples, length), {"input_ids": ids, "span_codes": np.zeros(prod(shape))})
    tasks = {task.name: task for task in registry.pretraining_tasks if task.always_companion}
    table = SampleTable([block])
    data = {name: TaskData(table, table, frozenset()) for name in tasks}
    plan = StagePlan(tuple(tasks), (tuple(1 for _ in tasks),))
    return Trainer(config, vocabulary, tasks, data, plan, train, impl)
