"""The session of a run: its programs, built on first use, and the variables that they share."""

import time
from collections.abc import Iterable
from typing import Any
from zlib import crc32

import numpy as np
import paddle

from ernie_paddle.data.feeds import Feed
from ernie_paddle.errors import UserError
from ernie_paddle.faults import resident_bytes
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.backend import DTYPES, Backend
from ernie_paddle.programs.collectives import connect
from ernie_paddle.programs.device_feeds import DeviceFeeds, StagedFeed
from ernie_paddle.programs.task_program import LOSS_SCALE, TaskProgram, build_task_program
from ernie_paddle.programs.update_program import (
    GRADIENT_NORM,
    LEARNING_RATE,
    UpdateProgram,
    accumulators,
    add_update_variables,
    build_update_program,
)
from ernie_paddle.programs.variables import GRADIENT_SUFFIX, Variables
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import AdamSettings, SumPrecision
from ernie_paddle.task import Task


class Session:
    """Runs task programs and update programs over one set of variables, on the GPU if there is one.

    With several `ranks`, all of them must make the same calls in the same order.
    """

    def __init__(
        self,
        config: ErnieConfig,
        seed: int,
        adam: AdamSettings,
        backend: Backend,
        ranks: Ranks | None = None,
        gradient_sums: SumPrecision = "fp32",
    ):
        self.config, self.seed, self.adam = config, seed, adam
        self.ranks, self.backend = ranks or Ranks(), backend
        self.variables = Variables(self.backend.place)
        self._sums_dtype = DTYPES[gradient_sums]
        if gradient_sums != "fp32" and self.ranks.world > 1 and self.on_cpu:
            raise UserError(f"train.gradient_sums: {gradient_sums} needs GPUs")
        self.collectives = connect(self.ranks, self.variables.place)
        self.update_seconds = 0.0  # in update programs so far
        self._executors: dict[Any, paddle.static.Executor] = {}  # by program; one keeps eight programs ready at most
        self._accumulates = False  # whether this step already has gradients
        self._heads_only = False
        self._weights: dict[str, list[float]] = {}  # of the losses, as they were last set
        self._ahead: dict[tuple[str, ...], DeviceFeeds] = {}
        self._training: dict[tuple[tuple[str, ...], bool, bool], TaskProgram] = {}
        self._used: dict[str, TaskProgram] = {}  # since metrics were taken, by their variable: the same on all ranks
        self._updates: dict[tuple[tuple[str, ...], bool], UpdateProgram] = {}
        self._evaluation: dict[str, TaskProgram] = {}

    def prepare(self, tasks: tuple[Task, ...]) -> None:
        """Build the program of these tasks and make its parameters, if they are not there."""
        self._training_program(tasks, accumulates=False)

    def stage(self, tasks: tuple[Task, ...], feed: dict[str, np.ndarray]) -> dict[str, np.ndarray] | StagedFeed:
        """Send the feed of a micro-batch to the device ahead, where the backend does so.

        Staged feeds of the same tasks are used in the order of staging.
        """
        if not self.backend.feeds_ahead:
            return feed
        names = tuple(task.name for task in tasks)
        program = self._training_program(tasks, accumulates=False)
        arrays = program.complete_feed(feed, dropout_key=0)
        if names not in self._ahead:
            declared = [Feed(name, (-1,) * array.ndim, str(array.dtype)) for name, array in arrays.items()]
            self._ahead[names] = DeviceFeeds(declared, self.backend.place)
        return self._ahead[names].put(arrays)

    def add_gradients(
        self,
        tasks: tuple[Task, ...],
        feed: dict[str, np.ndarray] | StagedFeed,
        loss_weights: np.ndarray,
        dropout_key: int,
    ) -> None:
        """Run a micro-batch forward and backward, without waiting for the device.

        Args:
            feed: arrays by name, or what `stage` made of them.
            loss_weights: the weight of each task's summed loss, float32 [tasks].
        """
        program = self._training_program(tasks, self._accumulates)
        arrays = feed.take() if isinstance(feed, StagedFeed) else program.complete_feed(feed, dropout_key)
        if self._weights.get(program.weights_name) != loss_weights.tolist():  # setting it waits for the device
            self.variables.set(program.weights_name, loss_weights)
            self._weights[program.weights_name] = loss_weights.tolist()
        paddle.seed(dropout_key)
        self._run(program.main, arrays)
        self._accumulates = True
        self._used[program.metrics_name] = program

    def discard_step(self) -> None:
        """Forget staged feeds, and the gradients of a step that has not ended in an update."""
        self._ahead.clear()
        self._accumulates = False

    def set_loss_scale(self, value: float) -> None:
        """Set the factor of the loss from the next micro-batch on."""
        self.variables.set(LOSS_SCALE, np.array([value], np.float32))

    def train_heads_only(self, heads_only: bool) -> None:
        """Say whether the heads alone are trained from the next micro-batch on, or the encoder, too."""
        self._heads_only = heads_only

    def update(self, tasks: tuple[Task, ...], learning_rate: float) -> bool:
        """Apply the accumulated gradients to the trained parameters of these tasks, unless some are not finite.

        Returns whether all gradients were finite.
        """
        program = self._update_program(tasks)
        if not self._accumulates:  # there are more ranks than micro-batches
            computed = self._training_program(tasks, accumulates=False)
            self._used[computed.metrics_name] = computed
            for group in program.groups:
                self.variables.set(group.name + GRADIENT_SUFFIX, np.zeros(group.shape, np.float32))
        self._accumulates = False
        if self.on_cpu and self.ranks.world > 1:
            self.barrier()  # gloo waits 30 seconds at most
        self.variables.set(LEARNING_RATE, np.array([learning_rate], np.float32))
        began = time.perf_counter()
        (non_finite,) = self._run(program.main, {}, program.non_finite)
        self.update_seconds += time.perf_counter() - began
        return not bool(non_finite.any())

    def products(self, tasks: tuple[Task, ...]) -> tuple[int, int]:
        """Count the matrix products in the forward pass of these tasks, and how many are in low precision."""
        return self._training_program(tasks, accumulates=False).products

    def take_metrics(self) -> dict[str, np.ndarray]:
        """Return the summed loss and correct predictions over all ranks, float64 [2] by task name, and reset them."""
        totals: dict[str, np.ndarray] = {}
        used, self._used = list(self._used.values()), {}
        for program in used:
            accumulated = self.variables.get(program.metrics_name)
            self.variables.set(program.metrics_name, np.zeros_like(accumulated))
            reduced = self.collectives.all_reduce(accumulated.astype(np.float64))
            for task, metrics in zip(program.tasks, reduced, strict=True):
                totals[task.name] = totals.get(task.name, 0.0) + metrics
        return totals

    def gradient_norm(self) -> float:
        """Return the global norm of the last step's gradients before clipping."""
        return float(self.variables.get(GRADIENT_NORM)[0])

    @property
    def on_cpu(self) -> bool:
        return self.variables.place.is_cpu_place()

    def memory_bytes(self) -> int:
        """Return the memory in use: allocated on the GPU, or resident in this process."""
        if not self.on_cpu:
            return int(paddle.device.cuda.memory_allocated())
        return resident_bytes()

    def evaluate(self, task: Task, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Return the summed loss and the number of correct predictions of a task on one batch, float64 [2]."""
        program = self._evaluation_program(task)
        return self._run(program.main, program.complete_feed(feed, 0), program.metrics)[0].astype(np.float64)[0]

    def scores(self, task: Task, feed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the result of `evaluate` and the scores that predictions are made from, float32 [tokens, ...]."""
        program = self._evaluation_program(task)
        metrics, scores = self._run(program.main, program.complete_feed(feed, 0), program.metrics, program.scores)
        return metrics.astype(np.float64)[0], scores

    def parameter_shapes(self, tasks: Iterable[Task]) -> dict[str, tuple[int, ...]]:
        """Return the parameter shapes of the encoder and of the tasks' heads, by name."""
        programs = [self._evaluation_program(task) for task in tasks]
        return {name: spec.shape for program in programs for name, spec in program.parameters.items()}

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters of all programs built so far, by name."""
        return self.variables.parameters()

    def set_parameters(self, values: dict[str, np.ndarray]) -> None:
        for name, value in values.items():
            self.variables.set_parameter(name, value)

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """Return AdamW's accumulators, by name."""
        shapes = {name: value.shape for name, value in self.parameters().items()}
        names = (accumulator for name, shape in shapes.items() for accumulator in accumulators(name, shape, self.adam))
        return {name: self.variables.get(name) for name in names if name in self.variables}

    def set_optimizer_state(self, values: dict[str, np.ndarray]) -> None:
        for name, value in values.items():
            self.variables.set(name, value)

    def broadcast_from_rank0(self) -> None:
        """Set parameters and optimizer state to those of rank 0."""
        if self.ranks.world > 1:
            broadcast = self.collectives.broadcast
            self.set_parameters({name: broadcast(value) for name, value in self.parameters().items()})
            self.set_optimizer_state({name: broadcast(value) for name, value in self.optimizer_state().items()})

    def any_rank(self, condition: bool) -> bool:
        """Return whether the condition holds on any rank."""
        return bool(self.collectives.all_reduce(np.array([condition], np.int64))[0])

    def barrier(self) -> None:
        """Wait for all ranks."""
        self.collectives.rendezvous.barrier()

    def check_equal(self) -> None:
        """Check that the parameters of all ranks are equal.

        Raises:
            UserError: they differ.
        """
        if self.ranks.world == 1:
            return
        checksum = 0
        for name, value in sorted(self.parameters().items()):
            checksum = crc32(value.tobytes(), crc32(name.encode(), checksum))
        checksums = self.collectives.all_gather(checksum)
        different = [str(rank) for rank, other in enumerate(checksums) if other != checksums[0]]
        if different:
            raise UserError(
                f"parameters of rank {', '.join(different)} differ from those of rank 0; the last checkpoint is "
                "complete: check the memory of that machine, then resume with --resume"
            )

    def _run(self, main: Any, feed: dict[str, np.ndarray], *fetched: Any) -> list[np.ndarray]:
        if main not in self._executors:
            self._executors[main] = paddle.static.Executor(self.variables.place)
        return self._executors[main].run(main, feed=feed, fetch_list=list(fetched), scope=self.variables.scope)

    def _training_program(self, tasks: tuple[Task, ...], accumulates: bool) -> TaskProgram:
        names = tuple(task.name for task in tasks)
        key = (names, accumulates, self._heads_only)
        if key not in self._training:
            program = build_task_program(self.config, tasks, True, self.backend, accumulates, self._heads_only)
            if self.backend.dtype != paddle.float32 and not program.products[1]:
                raise RuntimeError(f"{'+'.join(names)}: no product of the program is in {self.backend.precision}")
            self._add_parameters(program)
            self.variables.add_filled(program.metrics_name, (len(tasks), 2), 0.0)
            self.variables.add_filled(program.weights_name, (len(tasks),), 0.0)
            add_update_variables(self.variables, program.trained, self.adam)
            self._training[key] = program
        return self._training[key]

    def _update_program(self, tasks: tuple[Task, ...]) -> UpdateProgram:
        key = (tuple(task.name for task in tasks), self._heads_only)
        if key not in self._updates:
            trained = self._training_program(tasks, accumulates=False).trained
            self._updates[key] = build_update_program(trained, self.adam, self.ranks, self.backend, self._sums_dtype)
        return self._updates[key]

    def _evaluation_program(self, task: Task) -> TaskProgram:
        if task.name not in self._evaluation:
            self._evaluation[task.name] = build_task_program(self.config, [task], False, self.backend)
            self._add_parameters(self._evaluation[task.name])
        return self._evaluation[task.name]

    def _add_parameters(self, program: TaskProgram) -> None:
        """Initialise the parameters that do not exist yet, and join those of each group."""
        for group in program.groups:
            self.variables.add_parameters(group.specs, self.seed)
            self.variables.join(group.name, [spec.name for spec in group.specs])
