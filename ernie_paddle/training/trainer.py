"""The stepping loop: runs task programs and update programs, yields what each update did."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeding import MicroBatch, feed_of
from ernie_paddle.data.order import Cursor, cut_batches
from ernie_paddle.data.prefetch import prefetched
from ernie_paddle.data.samples import IGNORED
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.keyed_random import generator, keyed_hash
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.task_program import LOSS_WEIGHTS
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.evaluation import Score, prior_scores
from ernie_paddle.training.learning_rate import learning_rate
from ernie_paddle.training.loss_scale import PATIENCE, LossScale
from ernie_paddle.training.plan import PlannedUpdate, StagePlan, planned_updates
from ernie_paddle.training.updates import PreparedUpdate, TaskData, UpdatePreparer

SAMPLES_SHOWN = 8  # in the report of gradients that are not finite


@dataclass
class Progress:
    """How far a run is: updates done, each task's place in its samples, and what became of unusual gradients."""

    loss_scale: LossScale
    update: int = 0
    cursors: dict[str, Cursor] = field(default_factory=dict)


@dataclass(frozen=True)
class StepResult:
    """What one update did on all ranks; its losses are summed up on the device until `Session.take_metrics`.

    `loss_scale` is that of the next update. `stops`: a rank was asked to stop.
    """

    planned: PlannedUpdate
    tasks: tuple[Task, ...]
    label_counts: np.ndarray
    learning_rate: float
    samples: int
    tokens: int
    cells: int
    waited: float
    loss_scale: LossScale
    stops: bool


class Trainer:
    """Programs, variables and batches of one run.

    In each update every micro-batch goes through the task program of its combination of tasks; then the update
    program of just that combination's parameters runs.
    """

    def __init__(
        self,
        config: ErnieConfig,
        vocabulary: Vocabulary,
        tasks: dict[str, Task],
        data: dict[str, TaskData],
        plan: StagePlan,
        train: TrainSettings,
        impl: ImplSettings,
        companions: Sequence[str] = (),
        loss_weights: dict[str, float] | None = None,
        ranks: Ranks | None = None,
    ):
        """`companions` are the names of tasks whose losses may ride along; `loss_weights` are 1 by default.

        `ranks` share the micro-batches of an update; all of them make the same calls.
        """
        self.ranks = ranks or Ranks()
        self.config, self.vocabulary, self.tasks, self.data = config, vocabulary, tasks, data
        self.plan, self.train, self.impl = plan, train, impl
        self.companions, self.loss_weights = tuple(companions), loss_weights or {}
        self.progress = Progress(LossScale.initial(train.precision))
        self.session = Session(config, train.seed, train.adam, train.precision, impl, self.ranks)
        self.session.set_loss_scale(self.progress.loss_scale.value)
        self._preparer = UpdatePreparer(train, vocabulary, data, self.combination, self.ranks)

    def combination(self, planned: PlannedUpdate) -> tuple[Task, ...]:
        """The primary task and the companions whose labels its samples carry."""
        active = set(self.plan.active(planned.stage))
        introduced = set(self.plan.introduced(planned.stage))
        carried = self.data[planned.task].carried
        companions = (self.tasks[name] for name in self.companions if name != planned.task)
        return (
            self.tasks[planned.task],
            *(
                task
                for task in companions
                if task.name in (introduced if task.always_companion else active) and task.objective.column in carried
            ),
        )

    def updates(self, asked_to_stop: Callable[[], bool] = lambda: False) -> Iterator[StepResult]:
        """Run what is left of the plan, an update a step; no more after one at which a rank was asked to stop."""
        return self.run(islice(planned_updates(self.plan), self.progress.update, None), asked_to_stop)

    def run(
        self, planned: Iterator[PlannedUpdate], asked_to_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[StepResult]:
        """Run these updates, each task going on where it is in its samples."""
        prepared = prefetched(self._preparer.prepare_all(planned, self.progress.cursors), self.impl.prefetch)
        asked = time.perf_counter()
        for update in prepared:
            step = self._step(update, time.perf_counter() - asked, asked_to_stop())
            yield step
            if step.stops:
                return
            asked = time.perf_counter()

    def evaluate(self, name: str) -> Score:
        """Score of a task alone on held-out samples."""
        task, table = self.tasks[name], self.data[name].validation
        chosen = generator(self.train.seed, "evaluation", name).permutation(len(table))
        rows = np.sort(chosen[: self.train.validation_samples])
        sums, frequencies = np.zeros(2), np.zeros(task.objective.classes(self.vocabulary.size))
        for _, micro_batch, classes in self._held_out(task, table, rows):
            sums += self.session.evaluate(task, micro_batch.feed)
            frequencies += np.bincount(classes[classes != IGNORED], minlength=len(frequencies))
        sums, frequencies = self.session.sums(sums), self.session.sums(frequencies)
        labels = max(int(frequencies.sum()), 1)
        self._check_finite(name, sums[0])
        return Score(sums[0] / labels, sums[1] / labels, int(frequencies.sum()), *prior_scores(frequencies))

    def scores(self, name: str, table: SampleTable) -> tuple[list[np.ndarray], float]:
        """What a task's answers are read from, [tokens or sequences, n] for each sample in order; and the mean loss."""
        task, own = self.tasks[name], dict[int, np.ndarray]()
        sums = np.zeros(2)
        for batch, micro_batch, classes in self._held_out(task, table, np.arange(len(table))):
            metrics, scores = self.session.scores(task, micro_batch.feed)
            sums += (metrics[0], (classes != IGNORED).sum())
            counts = batch.sequences if task.objective.level == "sentence" else batch.lengths
            own |= zip(batch.rows.tolist(), np.split(scores, np.cumsum(counts)[:-1]), strict=True)
        loss, labels = self.session.sums(sums)
        self._check_finite(name, loss)
        return self._of_all_ranks(own, len(table)), loss / max(labels, 1)

    def _check_finite(self, name: str, loss: float) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"update {self.progress.update}: the loss of {name} on held-out samples is {loss}: training diverged; "
                "start anew with a smaller train.learning_rate.peak"
            )

    def _of_all_ranks(self, own: dict[int, np.ndarray], samples: int) -> list[np.ndarray]:
        """Arrays [n, width] by sample, each of which one rank has, in order."""
        if self.ranks.world == 1:
            return [own[row] for row in range(samples)]
        counts = np.zeros(samples, np.int64)
        for row, array in own.items():
            counts[row] = len(array)
        counts = self.session.sums(counts)
        width = max(self.session.sums.gathered(max((array.shape[1] for array in own.values()), default=0)))
        together = np.zeros((int(counts.sum()), width), np.float32)
        ends = np.cumsum(counts)
        for row, array in own.items():
            together[ends[row] - counts[row] : ends[row]] = array
        return np.split(self.session.sums(together), ends[:-1])

    def _held_out(
        self, task: Task, table: SampleTable, rows: np.ndarray
    ) -> Iterator[tuple[Batch, MicroBatch, np.ndarray]]:
        """This rank's batches of some samples, those of similar length together, with class ids."""
        rows = rows[np.argsort(table.lengths[rows], kind="stable")]
        for batch_rows in self.ranks.share(cut_batches(rows, table.lengths, self.train.batch_size)):
            batch = Batch.of(table.take(batch_rows), batch_rows)
            key = keyed_hash(self.train.seed, "evaluation", task.name)
            micro_batch, (classes,) = feed_of(batch, {task.name: task.objective}, self.vocabulary, key)
            yield batch, micro_batch, classes

    def restore(self, progress: Progress, parameters: dict[str, np.ndarray], optimizer: dict[str, np.ndarray]) -> None:
        """Go on where a run of the same plan and model was."""
        self.session.set_parameters(parameters)
        self.session.set_optimizer_state(optimizer)
        self.session.set_loss_scale(progress.loss_scale.value)
        self.progress = progress

    def chance_losses(self) -> dict[str, float]:
        """Loss of guessing, by task."""
        return {name: math.log(task.objective.classes(self.vocabulary.size)) for name, task in self.tasks.items()}

    def _step(self, update: PreparedUpdate, waited: float, stop: bool) -> StepResult:
        number, tasks = update.planned.number, update.tasks
        weights = [self.loss_weights.get(task.name, 1.0) for task in tasks]
        micro_batches = update.micro_batches.values()
        sizes = [
            sum(len(micro_batch.rows) for micro_batch in micro_batches),
            sum(micro_batch.tokens for micro_batch in micro_batches),
            sum(micro_batch.cells for micro_batch in micro_batches),
            int(stop),
        ]
        totals = self.session.sums(np.append(update.label_counts, sizes))
        label_counts = totals[: len(tasks)]
        samples, tokens, cells, stops = totals[len(tasks) :].tolist()
        loss_weights = (np.array(weights) / np.maximum(label_counts, 1)).astype(np.float32)
        for i, micro_batch in update.micro_batches.items():
            dropout_key = keyed_hash(self.train.seed, "dropout", number, i)
            self.session.add_gradients(tasks, {**micro_batch.feed, LOSS_WEIGHTS: loss_weights}, dropout_key)
        rate = self._learning_rate(update.planned)
        finite = self.session.update(tasks, rate)
        self._note(update, finite)
        self.progress.update = number
        self.progress.cursors[update.planned.task] = update.cursor
        return StepResult(
            update.planned,
            tasks,
            label_counts,
            rate,
            samples,
            tokens,
            cells,
            waited,
            self.progress.loss_scale,
            stops > 0,
        )

    def _note(self, update: PreparedUpdate, finite: bool) -> None:
        """Keep account of an update that may have been left out.

        Raises:
            UserError: too many in a row were.
        """
        before = self.progress.loss_scale
        self.progress.loss_scale = after = before.after(finite, self.train.precision)
        if after.value != before.value:
            self.session.set_loss_scale(after.value)
        if after.non_finite_in_a_row > PATIENCE[self.train.precision]:
            rows = np.concatenate([np.empty(0, np.int64), *(one.rows for one in update.micro_batches.values())])
            shown = ", ".join(map(str, rows[:SAMPLES_SHOWN])) + (", ..." if len(rows) > SAMPLES_SHOWN else "")
            raise UserError(
                f"update {update.planned.number}, stage {update.planned.stage + 1}: gradients of "
                f"{update.planned.task} are not finite, {after.non_finite_in_a_row} times in a row; "
                f"training samples of this rank: {shown}; go on from the last checkpoint with a smaller "
                "train.learning_rate.peak, or look at these samples"
            )

    def _learning_rate(self, planned: PlannedUpdate) -> float:
        settings = self.train.learning_rate
        if settings.restart == "never":
            return learning_rate(settings, planned.number, self.plan.total)
        before = self.plan.end_of(planned.stage - 1) if planned.stage else 0
        return learning_rate(settings, planned.number - before, self.plan.end_of(planned.stage) - before)
