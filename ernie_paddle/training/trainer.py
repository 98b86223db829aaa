"""The training loop: runs task programs and update programs, and yields the result of each step."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeding import MicroBatch, feed_of
from ernie_paddle.data.order import Cursor, cut_batches
from ernie_paddle.data.prefetch import prefetch
from ernie_paddle.data.schema import IGNORED
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.keyed_random import generator, keyed_hash
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.devices import choose_backend
from ernie_paddle.programs.session import Session
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.evaluation import Best, Score, baseline_scores, score_name
from ernie_paddle.training.learning_rate import check_peaks, learning_rate
from ernie_paddle.training.loss_scale import PATIENCE, LossScale
from ernie_paddle.training.stage_plan import AuxiliaryLosses, PlannedStep, StagePlan, check_heads_first, planned_steps
from ernie_paddle.training.steps import PreparedStep, StepPreparer, TaskData

STEPS_AHEAD = 1  # whose micro-batches are sent to the device before their turn
SAMPLES_SHOWN = 8  # in the error about non-finite gradients


@dataclass
class Progress:
    """The progress of a run: steps done, each task's position in its samples, and the loss scale.

    `best` is the best held-out value so far, if the run compares them. `stopped` says why it ended before its plan did.
    """

    loss_scale: LossScale
    step: int = 0
    cursors: dict[str, Cursor] = field(default_factory=dict)
    best: Best | None = None
    stopped: str = ""

    @property
    def best_step(self) -> int | None:
        return self.best.step if self.best else None

    @property
    def is_best(self) -> bool:
        """Whether the last step is the best so far."""
        return self.best_step == self.step


@dataclass(frozen=True)
class StepResult:
    """The result of one step on all ranks.

    Losses are not part of it: they are summed on the device until `Session.take_metrics`. `tasks` holds the primary
    task, then its auxiliary tasks; `label_counts` [tasks] are their labels. `waited` is the time spent waiting for the
    step's batches, in seconds. `loss_scale` is that of the next step. `stops` tells that a rank was asked to stop.
    """

    planned: PlannedStep
    tasks: tuple[Task, ...]
    label_counts: np.ndarray
    learning_rate: float
    samples: int
    tokens: int
    padded_tokens: int
    waited: float
    loss_scale: LossScale
    stops: bool


class Trainer:
    """The programs, variables and batches of one run.

    In each step, every micro-batch runs through the task program of the step's combination of tasks. Then the update
    program of that combination's parameters runs.
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
        auxiliary_tasks: Sequence[str] = (),
        loss_weights: dict[str, float] | None = None,
        ranks: Ranks | None = None,
    ):
        """`auxiliary_tasks` names the tasks whose loss may be added to other tasks' steps. `loss_weights` default to 1.

        `ranks` share the micro-batches of a step. All ranks must make the same calls.

        Raises:
            UserError: a sample is longer than a micro-batch, or `train` is for another number of stages.
        """
        check_peaks(train.learning_rate, plan)
        check_heads_first(train.heads_first, plan)
        self.ranks = ranks or Ranks()
        self.config, self.vocabulary, self.tasks, self.data = config, vocabulary, tasks, data
        self.plan, self.train, self.impl = plan, train, impl
        self.loss_weights = loss_weights or {}
        self.auxiliary_losses = AuxiliaryLosses(
            plan,
            tuple(tasks[name] for name in auxiliary_tasks),
            {name: task_data.label_columns for name, task_data in data.items()},
        )
        self.progress = Progress(LossScale.initial(train.precision))
        backend = choose_backend(train.precision, impl)
        self.session = Session(config, train.seed, train.adam, backend, self.ranks, train.gradient_sums)
        self.session.set_loss_scale(self.progress.loss_scale.value)
        self.preparer = StepPreparer(train, vocabulary, data, self.combination, self.ranks)

    def combination(self, planned: PlannedStep) -> tuple[Task, ...]:
        """Return the primary task of a step, then its auxiliary tasks."""
        return self.tasks[planned.task], *self.auxiliary_losses.of(planned.stage, planned.task)

    def remaining(self) -> Iterator[PlannedStep]:
        """Yield the steps of the plan that are still to be run: none of a run that was stopped."""
        return islice(planned_steps(self.plan), self.plan.total if self.progress.stopped else self.progress.step, None)

    def steps(self, asked_to_stop: Callable[[], bool] = lambda: False) -> Iterator[StepResult]:
        """Run the remaining steps of the plan. Stop after the step in which any rank was asked to stop.

        The run also ends when the caller sets `progress.stopped`.
        """
        return self.run(self.remaining(), asked_to_stop)

    def run(
        self, planned: Iterator[PlannedStep], asked_to_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[StepResult]:
        """Run the planned steps. Each task continues at its position in its samples."""
        prepared = self._staged(prefetch(self.preparer.prepare_all(planned, self.progress.cursors), self.impl.prefetch))
        began = time.perf_counter()
        try:
            for step in prepared:
                result = self._step(step, time.perf_counter() - began, asked_to_stop())
                yield result
                if result.stops or self.progress.stopped:
                    return
                began = time.perf_counter()
        finally:
            self.session.discard_step()

    def _staged(self, steps: Iterator[PreparedStep]) -> Iterator[PreparedStep]:
        """Yield the same steps; where the device is fed ahead, the micro-batches of the next step are on their way."""
        if not self.session.backend.feeds_ahead:
            yield from steps
            return
        staged: deque[PreparedStep] = deque()
        for step in steps:
            self.session.prepare(step.tasks)  # on ranks without a micro-batch, too: all have the same parameters
            staged.append(step.with_feeds(partial(self.session.stage, step.tasks)))
            if len(staged) > STEPS_AHEAD:
                yield staged.popleft()
        yield from staged

    def evaluate_all(self, names: Iterable[str]) -> dict[str, Score]:
        """Return the scores of those of the tasks that have samples, by `score_name`."""
        return {
            score_name(name, folder): self.evaluate(name, folder)
            for name in names
            if name in self.data
            for folder in self.data[name].validation
        }

    def evaluate(self, name: str, folder: str = "") -> Score:
        """Return the score of a task on the held-out samples in one of its folders, without auxiliary losses."""
        task, table = self.tasks[name], self.data[name].validation[folder]
        shuffled = generator(self.train.seed, "evaluation", name).permutation(len(table))
        rows = np.sort(shuffled[: self.train.validation_samples])
        count = task.objective.classes(self.vocabulary.size)
        sums, frequencies = np.zeros(2), np.zeros(count or 1)
        for _, micro_batch, classes in self._held_out(task, table, rows):
            sums += self.session.evaluate(task, micro_batch.feed)
            labelled = classes[classes != IGNORED]
            frequencies += np.bincount(labelled if count else np.zeros_like(labelled), minlength=len(frequencies))
        sums, frequencies = self.session.collectives.all_reduce(sums), self.session.collectives.all_reduce(frequencies)
        labels = max(int(frequencies.sum()), 1)
        self._check_finite(name, sums[0])
        baselines = baseline_scores(frequencies) if count else (None, None)
        return Score(sums[0] / labels, sums[1] / labels, int(frequencies.sum()), *baselines)

    def scores(self, name: str, table: SampleTable) -> tuple[list[np.ndarray], float]:
        """Return the prediction scores of each sample in order, [tokens or sequences, n], and the mean loss."""
        task, own_scores = self.tasks[name], dict[int, np.ndarray]()
        sums = np.zeros(2)
        for batch, micro_batch, classes in self._held_out(task, table, np.arange(len(table))):
            metrics, scores = self.session.scores(task, micro_batch.feed)
            sums += (metrics[0], (classes != IGNORED).sum())
            counts = batch.sequences if task.objective.level == "sentence" else batch.lengths
            own_scores |= zip(batch.rows.tolist(), np.split(scores, np.cumsum(counts)[:-1]), strict=True)
        loss, labels = self.session.collectives.all_reduce(sums)
        self._check_finite(name, loss)
        return self._gathered(own_scores, len(table)), loss / max(labels, 1)

    def _check_finite(self, name: str, loss: float) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"step {self.progress.step}: the loss of {name} on held-out samples is {loss}: training diverged; "
                "start a new run with a smaller train.learning_rate.peak"
            )

    def _gathered(self, own: dict[int, np.ndarray], samples: int) -> list[np.ndarray]:
        """Return the array [n, width] of every sample in order, from the ranks' `own` arrays by sample."""
        if self.ranks.world == 1:
            return [own[row] for row in range(samples)]
        counts = np.zeros(samples, np.int64)
        for row, array in own.items():
            counts[row] = len(array)
        counts = self.session.collectives.all_reduce(counts)
        width = max(self.session.collectives.all_gather(max((array.shape[1] for array in own.values()), default=0)))
        together = np.zeros((int(counts.sum()), width), np.float32)
        ends = np.cumsum(counts)
        for row, array in own.items():
            together[ends[row] - counts[row] : ends[row]] = array
        return np.split(self.session.collectives.all_reduce(together), ends[:-1])

    def _held_out(
        self, task: Task, table: SampleTable, rows: np.ndarray
    ) -> Iterator[tuple[Batch, MicroBatch, np.ndarray]]:
        """Yield this rank's batches of the samples `rows`, grouped by similar length, with their class ids."""
        rows = rows[np.argsort(table.lengths[rows], kind="stable")]
        for batch_rows in self.ranks.share(cut_batches(rows, table.lengths, self.train.batch_size)):
            batch = Batch.of(table.take(batch_rows), batch_rows)
            key = keyed_hash(self.train.seed, "evaluation", task.name)
            micro_batch, (classes,) = feed_of(batch, {task.name: task.objective}, self.vocabulary, key)
            yield batch, micro_batch, classes

    def restore(self, progress: Progress, parameters: dict[str, np.ndarray], optimizer: dict[str, np.ndarray]) -> None:
        """Restore the state of a run of the same plan and model."""
        self.session.set_parameters(parameters)
        self.session.set_optimizer_state(optimizer)
        self.session.set_loss_scale(progress.loss_scale.value)
        self.progress = progress

    def uniform_losses(self) -> dict[str, float | None]:
        """Return the loss of a uniform prediction over the classes, ln(classes), by task.

        It is None for a task without a fixed number of classes.
        """
        classes = {name: task.objective.classes(self.vocabulary.size) for name, task in self.tasks.items()}
        return {name: math.log(count) if count else None for name, count in classes.items()}

    def _step(self, step: PreparedStep, waited: float, stop: bool) -> StepResult:
        number, tasks = step.planned.number, step.tasks
        weights = [self.loss_weights.get(task.name, 1.0) for task in tasks]
        micro_batches = step.micro_batches.values()
        sizes = [
            sum(len(micro_batch.rows) for micro_batch in micro_batches),
            sum(micro_batch.tokens for micro_batch in micro_batches),
            sum(micro_batch.padded_tokens for micro_batch in micro_batches),
            int(stop),
        ]
        totals = self.session.collectives.all_reduce(np.append(step.label_counts, sizes))
        label_counts = totals[: len(tasks)]
        samples, tokens, padded_tokens, stops = totals[len(tasks) :].tolist()
        loss_weights = (np.array(weights) / np.maximum(label_counts, 1)).astype(np.float32)
        self.session.train_heads_only(step.planned.stage < self.plan.earlier + self.train.heads_first)
        for i, micro_batch in step.micro_batches.items():
            dropout_key = keyed_hash(self.train.seed, "dropout", number, i)
            self.session.add_gradients(tasks, micro_batch.feed, loss_weights, dropout_key)
        rate = learning_rate(self.train.learning_rate, self.plan, step.planned)
        finite = self.session.update(tasks, rate)
        self._update_loss_scale(step, finite)
        self.progress.step = number
        self.progress.cursors[step.planned.task] = step.cursor
        return StepResult(
            step.planned,
            tasks,
            label_counts,
            rate,
            samples,
            tokens,
            padded_tokens,
            waited,
            self.progress.loss_scale,
            stops > 0,
        )

    def _update_loss_scale(self, step: PreparedStep, finite: bool) -> None:
        """Update the loss scale and the count of skipped steps.

        Raises:
            UserError: too many steps in a row had non-finite gradients.
        """
        before = self.progress.loss_scale
        self.progress.loss_scale = after = before.after(finite, self.train.precision)
        if after.value != before.value:
            self.session.set_loss_scale(after.value)
        if after.non_finite_in_a_row > PATIENCE[self.train.precision]:
            draws = np.concatenate([np.empty(0, np.int64), *(batch.rows for batch in step.micro_batches.values())])
            rows = self.preparer.orders[step.planned.task].rows(draws)
            shown = ", ".join(map(str, rows[:SAMPLES_SHOWN])) + (", ..." if len(rows) > SAMPLES_SHOWN else "")
            raise UserError(
                f"step {step.planned.number}, stage {step.planned.stage + 1}: the gradients of "
                f"{step.planned.task} are not finite, {after.non_finite_in_a_row} times in a row; "
                f"training samples of this rank: {shown}; start a new run from the last checkpoint with a "
                "smaller train.learning_rate.peak, or check these samples"
            )
