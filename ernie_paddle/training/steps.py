"""Preparation of steps: from the plan to the arrays that are fed to programs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeding import MicroBatch, feed_of
from ernie_paddle.data.order import BatchOrder, Cursor, MixedCorpus
from ernie_paddle.data.schema import IGNORED
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import TrainSettings
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.stage_plan import PlannedStep


@dataclass(frozen=True)
class TaskData:
    """A task's samples, and the columns of these samples that hold labels.

    `validation` are the held-out samples by the name of their folder, which is empty if there is only one. `corpora` is
    the mixture of the training samples; without one, an epoch has each of them once.
    """

    train: SampleTable
    validation: Mapping[str, SampleTable]
    label_columns: frozenset[str]
    corpora: tuple[MixedCorpus, ...] = ()


@dataclass(frozen=True)
class PreparedStep:
    """This rank's micro-batches of a step, by their number in the step.

    `tasks` holds the primary task, then its auxiliary tasks. `label_counts` [tasks] are summed over the micro-batches.
    `cursor` is the position in the primary task's samples after the step.
    """

    planned: PlannedStep
    tasks: tuple[Task, ...]
    micro_batches: dict[int, MicroBatch]
    label_counts: np.ndarray
    cursor: Cursor

    def with_feeds(self, change: Callable[[Any], Any]) -> "PreparedStep":
        """Return this step with another feed of each micro-batch."""
        changed = {i: replace(batch, feed=change(batch.feed)) for i, batch in self.micro_batches.items()}
        return replace(self, micro_batches=changed)


def check_batch_tokens(name: str, samples: SampleTable, train: TrainSettings) -> None:
    """Raise a `UserError` if a sample of the task `name` is longer than a micro-batch."""
    longest = int(samples.lengths.max(initial=0))
    if longest > train.batch_size.tokens:
        raise UserError(
            f"train.batch_tokens {train.batch_tokens:,}: a sample of {name} has {longest:,} tokens; "
            f"raise it to {longest} or more"
        )


class StepPreparer:
    """Prepares steps, as a pure function of settings, samples and cursors."""

    def __init__(
        self,
        train: TrainSettings,
        vocabulary: Vocabulary,
        data: dict[str, TaskData],
        combination: Callable[[PlannedStep], tuple[Task, ...]],
        ranks: Ranks,
    ):
        """`combination` returns the primary task of a step and its auxiliary tasks. `ranks` share its micro-batches.

        Raises:
            UserError: a sample is longer than a micro-batch.
        """
        for name, task_data in data.items():
            check_batch_tokens(name, task_data.train, train)
        self.ranks = ranks
        self.train, self.vocabulary, self.data, self.combination = train, vocabulary, data, combination
        self.orders = {
            name: BatchOrder(
                task_data.train.lengths,
                train.batch_size,
                train.seed,
                name,
                train.group_by_length,
                corpora=task_data.corpora,
            )
            for name, task_data in data.items()
        }

    def prepare_all(self, planned: Iterator[PlannedStep], cursors: dict[str, Cursor]) -> Iterator[PreparedStep]:
        """Prepare the planned steps in order. Each task continues at its cursor."""
        cursors = dict(cursors)
        for step in planned:
            prepared = self._prepare(step, cursors.get(step.task, Cursor()))
            cursors[step.task] = prepared.cursor
            yield prepared

    def _prepare(self, planned: PlannedStep, cursor: Cursor) -> PreparedStep:
        tasks = self.combination(planned)
        order, table = self.orders[planned.task], self.data[planned.task].train
        objectives = {task.name: task.objective.in_stage(planned.stage) for task in tasks}
        chosen: list[tuple[np.ndarray, int]] = []  # the draws of each micro-batch, and their epoch
        for _ in range(self.train.accumulation):
            chosen.append((order.batch(cursor), cursor.epoch))
            cursor = order.after(cursor)
        micro_batches, counts = {}, np.zeros(len(tasks), np.int64)
        for number in self.ranks.balanced([int(table.lengths[order.rows(draws)].sum()) for draws, _ in chosen]):
            draws, epoch = chosen[number]
            batch = Batch.of(table.take(order.rows(draws)), draws)
            key = keyed_hash(self.train.seed, "labels", planned.task, epoch)
            micro_batches[number], classes = feed_of(batch, objectives, self.vocabulary, key)
            counts += [int((ids != IGNORED).sum()) for ids in classes]
        return PreparedStep(planned, tasks, micro_batches, counts, cursor)
