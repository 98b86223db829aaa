"""The session of a run: its programs, built on first use, and the variables that they share."""

import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import paddle

from ernie_paddle.errors import UserError
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.collectives import connect
from ernie_paddle.programs.devices import check_precision, default_place
from ernie_paddle.programs.task_program import LOSS_SCALE, TaskProgram, build_task_program
from ernie_paddle.programs.update_program import (
    GRADIENT_NORM,
    LEARNING_RATE,
    UpdateProgram,
    accumulators,
    add_update_variables,
    build_update_program,
)
from ernie_paddle.programs.variables import Variables
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import AdamSettings, ImplSettings, Precision
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
        precision: Precision = "fp32",
        impl: ImplSettings | None = None,
        ranks: Ranks | None = None,
    ):
        self.config, self.seed, self.adam, self.precision, self.impl = config, seed, adam, precision, impl
        self.ranks = ranks or Ranks()
        self.variables = Variables(default_place())
        check_precision(precision, self.variables.place)
        self.collectives = connect(self.ranks, self.variables.place)
        self.update_seconds = 0.0  # in update programs so far
        self._executor = paddle.static.Executor(self.variables.place)
        self._training: dict[tuple[str, ...], tuple[TaskProgram, UpdateProgram]] = {}
        self._evaluation: dict[str, TaskProgram] = {}

    def add_gradients(self, tasks: tuple[Task, ...], feed: dict[str, np.ndarray], dropout_key: int) -> None:
        """Run a micro-batch forward and backward, without waiting for the device."""
        program, _ = self._training_programs(tasks)
        paddle.seed(dropout_key)
        self._run(program.main, program.complete_feed(feed, dropout_key))

    def set_loss_scale(self, value: float) -> None:
        """Set the factor of the loss from the next micro-batch on."""
        self.variables.set(LOSS_SCALE, np.array([value], np.float32))

    def update(self, tasks: tuple[Task, ...], learning_rate: float) -> bool:
        """Apply the accumulated gradients to the parameters of these tasks, unless some are not finite.

        Returns whether all gradients were finite.
        """
        _, program = self._training_programs(tasks)
        if self.on_cpu:
            self.barrier()  # gloo waits 30 seconds at most
        self.variables.set(LEARNING_RATE, np.asarray(learning_rate, np.float32))
        began = time.perf_counter()
        (non_finite,) = self._run(program.main, {}, program.non_finite)
        self.update_seconds += time.perf_counter() - began
        return not bool(non_finite.any())

    def products(self, tasks: tuple[Task, ...]) -> tuple[int, int]:
        """Count the matrix products in the forward pass of these tasks, and how many are in low precision."""
        return self._training_programs(tasks)[0].products

    def take_metrics(self) -> dict[str, np.ndarray]:
        """Return the summed loss and correct predictions over all ranks, float64 [2] by task name, and reset them."""
        totals: dict[str, np.ndarray] = {}
        for program, _ in self._training.values():
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
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        return resident * resource.getpagesize()

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
        return self._executor.run(main, feed=feed, fetch_list=list(fetched), scope=self.variables.scope)

    def _training_programs(self, tasks: tuple[Task, ...]) -> tuple[TaskProgram, UpdateProgram]:
        names = tuple(task.name for task in tasks)
        if names not in self._training:
            program = build_task_program(self.config, tasks, True, self.precision, self.impl)
            if self.precision != "fp32" and not program.products[1]:
                raise RuntimeError(f"{'+'.join(names)}: no matrix product of the program is in {self.precision}")
            self.variables.add_parameters(program.parameters, self.seed)
            self.variables.add_filled(program.metrics_name, (len(tasks), 2), 0.0)
            add_update_variables(self.variables, program.parameters, self.adam)
            self._training[names] = (program, build_update_program(program.parameters, self.adam, self.ranks))
        return self._training[names]

    def _evaluation_program(self, task: Task) -> TaskProgram:
        if task.name not in self._evaluation:
            program = build_task_program(self.config, [task], training=False)
            self.variables.add_parameters(program.parameters, self.seed)
            self._evaluation[task.name] = program
        return self._evaluation[task.name]
