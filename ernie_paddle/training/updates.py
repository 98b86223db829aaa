"""From planned updates to the arrays that programs are fed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeding import MicroBatch, feed_of
from ernie_paddle.data.order import BatchOrder, Cursor
from ernie_paddle.data.samples import IGNORED
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import TrainSettings
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.plan import PlannedUpdate


@dataclass(frozen=True)
class TaskData:
    """A task's samples, and the sample columns that carry labels in them."""

    train: SampleTable
    validation: SampleTable
    carried: frozenset[str]


@dataclass(frozen=True)
class PreparedUpdate:
    """This rank's micro-batches of an update, by their numbers in it; `label_counts` [tasks] are summed over them.

    `tasks` begins with the primary one; `cursor` is where its samples go on afterwards.
    """

    planned: PlannedUpdate
    tasks: tuple[Task, ...]
    micro_batches: dict[int, MicroBatch]
    label_counts: np.ndarray
    cursor: Cursor


class UpdatePreparer:
    """Prepares updates; pure functions of settings, samples and cursors."""

    def __init__(
        self,
        train: TrainSettings,
        vocabulary: Vocabulary,
        data: dict[str, TaskData],
        combination: Callable[[PlannedUpdate], tuple[Task, ...]],
        ranks: Ranks,
    ):
        """`combination` gives the primary task of an update and its companions; `ranks` share its micro-batches.

        Raises:
            UserError: a sample is longer than a micro-batch.
        """
        for name, item in data.items():
            longest = int(item.train.lengths.max())
            if longest > train.batch_size.tokens:
                raise UserError(
                    f"train.batch_tokens {train.batch_tokens:,}: a sample of {name} has {longest:,} tokens; "
                    "raise it to at least that"
                )
        self.ranks = ranks
        self.train, self.vocabulary, self.data, self.combination = train, vocabulary, data, combination
        self.orders = {
            name: BatchOrder(item.train.lengths, train.batch_size, train.seed, name, train.group_by_length)
            for name, item in data.items()
        }

    def prepare_all(self, planned: Iterator[PlannedUpdate], cursors: dict[str, Cursor]) -> Iterator[PreparedUpdate]:
        """Prepare the planned updates in order, each task going on at its cursor."""
        cursors = dict(cursors)
        for update in planned:
            prepared = self._prepare(update, cursors.get(update.task, Cursor()))
            cursors[update.task] = prepared.cursor
            yield prepared

    def _prepare(self, planned: PlannedUpdate, cursor: Cursor) -> PreparedUpdate:
        tasks = self.combination(planned)
        order, table = self.orders[planned.task], self.data[planned.task].train
        objectives = {task.name: task.objective.in_stage(planned.stage) for task in tasks}
        micro_batches, counts = {}, np.zeros(len(tasks), np.int64)
        own = self.ranks.share(range(self.train.accumulation))
        for number in range(self.train.accumulation):
            if number in own:
                rows = order.batch(cursor)
                batch = Batch.of(table.take(rows), rows)
                key = keyed_hash(self.train.seed, "labels", planned.task, cursor.epoch)
                micro_batches[number], classes = feed_of(batch, objectives, self.vocabulary, key)
                counts += [int((ids != IGNORED).sum()) for ids in classes]
            cursor = order.after(cursor)
        return PreparedUpdate(planned, tasks, micro_batches, counts, cursor)
