"""From planned updates to the arrays that programs are fed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ernie_paddle.data.batch import Batch, collate
from ernie_paddle.data.order import BatchOrder, Cursor
from ernie_paddle.data.samples import IGNORED
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.task import Objective, Task
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.plan import PlannedUpdate


@dataclass(frozen=True)
class TaskData:
    """A task's samples, and the sample columns that carry labels in them."""

    train: SampleTable
    validation: SampleTable
    carried: frozenset[str]


@dataclass(frozen=True)
class MicroBatch:
    """What one run of a task program is fed, and its size."""

    feed: dict[str, np.ndarray]
    rows: np.ndarray  # the samples' numbers in their table
    tokens: int
    padded_tokens: int


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


def feed_of(
    batch: Batch, objectives: Mapping[str, Objective], vocabulary: Vocabulary, key: int
) -> tuple[MicroBatch, list[np.ndarray]]:
    """The feed of a batch for the objectives of some tasks, and each one's class ids (-1: none)."""
    labels = [objective.label(batch, vocabulary, keyed_hash(key, name)) for name, objective in objectives.items()]
    feed = {name: batch.columns[name].astype(np.int64) for name in ("input_ids", "sentence_ids")}
    for label in labels:
        feed |= label.feeds
    micro_batch = MicroBatch(feed, batch.rows, batch.tokens, batch.padded_tokens)
    return micro_batch, [label.classes for label in labels]


class UpdatePreparer:
    """Prepares updates; pure functions of settings, samples and cursors."""

    def __init__(
        self,
        train: TrainSettings,
        impl: ImplSettings,
        vocabulary: Vocabulary,
        data: dict[str, TaskData],
        combination: Callable[[PlannedUpdate], tuple[Task, ...]],
        ranks: Ranks,
    ):
        """`combination` gives the primary task of an update and its companions; `ranks` share its micro-batches."""
        self.ranks = ranks
        self.train, self.impl, self.vocabulary, self.data, self.combination = train, impl, vocabulary, data, combination
        self.orders = {
            name: BatchOrder(item.train.lengths, train.batch_size, train.seed, name) for name, item in data.items()
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
                batch = collate(table.take(rows), rows, self.vocabulary.pad_id, self.impl.length_multiple)
                key = keyed_hash(self.train.seed, "labels", planned.task, cursor.epoch)
                micro_batches[number], classes = feed_of(batch, objectives, self.vocabulary, key)
                counts += [int((ids != IGNORED).sum()) for ids in classes]
            cursor = order.after(cursor)
        return PreparedUpdate(planned, tasks, micro_batches, counts, cursor)
