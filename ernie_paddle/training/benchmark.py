"""Training speed of a plan on this machine, task by task."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import INPUT_IDS
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.profiling import StepCost, step_cost
from ernie_paddle.registry import Registry
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from ernie_paddle.training.stage_plan import PlannedStep, StagePlan
from ernie_paddle.training.steps import PreparedStep, TaskData
from ernie_paddle.training.trainer import Trainer

WARM_UP = 2  # steps, in which programs are built and memory is allocated


@dataclass(frozen=True)
class Speed:
    """The timed steps of one primary task. `padded_tokens` counts the positions of attention's padded layout.

    Tokens are those of all ranks. `micro_batches` of a step and `flops`, those of `model_flops`, are this rank's.
    """

    combination: tuple[str, ...]  # the primary task and its auxiliary tasks
    seconds: list[float]  # of each step
    update_seconds: float  # in the update program
    waiting: float  # seconds spent waiting for batches
    tokens: int  # without padding
    padded_tokens: int
    planned: int  # steps of the task in the plan
    micro_batches: int
    flops: float
    cost: StepCost

    @property
    def flops_per_second(self) -> float:
        return self.flops / sum(self.seconds)

    @property
    def launches(self) -> int:
        """How often a step launches work on the device, at most."""
        return self.cost.launches(self.micro_batches)

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
        planned = [PlannedStep(number, stage, name) for number in range(1, steps + WARM_UP + 1)]
        speeds.append(_measure_task(trainer, planned, sum(counts)))
    return speeds


def _measure_task(trainer: Trainer, planned: Sequence[PlannedStep], in_plan: int) -> Speed:
    prepared = list(trainer.preparer.prepare_all(iter(planned), trainer.progress.cursors))  # for their sizes
    results, seconds, began, update_seconds = [], [], time.perf_counter(), 0.0
    for step in trainer.run(iter(planned)):
        seconds.append(time.perf_counter() - began)
        results.append(step)
        if len(results) == WARM_UP:
            update_seconds = trainer.session.update_seconds
        began = time.perf_counter()
    timed, tasks, session = results[WARM_UP:], results[0].tasks, trainer.session
    return Speed(
        tuple(task.name for task in tasks),
        seconds[WARM_UP:],
        session.update_seconds - update_seconds,
        sum(step.waited for step in timed),
        sum(step.tokens for step in timed),
        sum(step.padded_tokens for step in timed),
        in_plan,
        len(prepared[0].micro_batches),
        sum(model_flops(trainer.config, step) for step in prepared[WARM_UP:]),
        step_cost(trainer.config, tasks, session.backend, session.adam, trainer.ranks, trainer.train.gradient_sums),
    )


def model_flops(config: ErnieConfig, step: PreparedStep) -> float:
    """Return the floating-point operations that this rank's micro-batches of a step need, see `feed_flops`."""
    masked = sum(
        int(count) for task, count in zip(step.tasks, step.label_counts, strict=True) if task.objective.predicts_tokens
    )
    return sum(feed_flops(config, batch.feed) for batch in step.micro_batches.values()) + head_flops(config, masked)


def feed_flops(config: ErnieConfig, feed: Mapping[str, np.ndarray]) -> float:
    """Return the floating-point operations that the encoder needs for a micro-batch: three times those forward.

    Model FLOP utilisation is this, by time and peak (Chowdhery et al. 2022, PaLM, appendix B): recomputed layers and
    padding are not counted. Neither are tokens of the last layer that no task reads, and heads other than those over
    the vocabulary, which are small.
    """
    lengths, queries = (np.diff(feed[f"{kind}_cu_seqlens"]).astype(np.float64) for kind in ("token", "selected"))
    return 3 * encoder_flops(config, lengths, queries)


def head_flops(config: ErnieConfig, masked: int) -> float:
    """Return the floating-point operations of the scores of masked tokens over the vocabulary, gradients included."""
    return 3 * 2.0 * masked * config.hidden_size * (config.hidden_size + config.vocab_size)


def encoder_flops(config: ErnieConfig, lengths: np.ndarray, queries: np.ndarray) -> float:
    """Return the floating-point operations of the encoder's forward pass, two for each term of a matrix product.

    `lengths` [sequences] count all tokens and `queries` [sequences] those whose outputs are read.
    """
    hidden, linear = config.hidden_size, 2.0 * config.hidden_size  # for each output of a linear layer over hidden
    outer = 2 * linear * config.ffn_size + 2 * linear * hidden  # queries, the output of attention, and the two of ffn
    keys_and_values = 2 * linear * hidden
    inner_layer = lengths.sum() * (outer + keys_and_values) + 4 * hidden * (lengths**2).sum()
    last_layer = queries.sum() * outer + lengths.sum() * keys_and_values + 4 * hidden * (queries * lengths).sum()
    return float((config.num_hidden_layers - 1) * inner_layer + last_layer)


def random_samples(
    config: ErnieConfig, registry: Registry, lengths: np.ndarray, number: int = 0
) -> tuple[Vocabulary, dict[str, Task], SampleTable]:
    """Return samples of random tokens with these lengths, their vocabulary, and the tasks that are always auxiliary.

    Samples of another `number` are others.
    """
    words = (f"w{i}" for i in range(config.vocab_size - len(SPECIAL_TOKENS)))
    vocabulary = Vocabulary({token: i for i, token in enumerate([*SPECIAL_TOKENS, *words])})
    tokens = int(lengths.sum())
    ids = generator("benchmark", len(lengths), tokens, number).choice(vocabulary.ordinary_ids, tokens)
    tasks = {task.name: task for task in registry.pretraining_tasks if task.always_auxiliary}
    columns = {task.objective.column.name: np.zeros(tokens, np.int8) for task in tasks.values()}
    return vocabulary, tasks, SampleTable([SampleBlock(lengths, {INPUT_IDS: ids, **columns})])


def masked_lm_trainer(
    config: ErnieConfig, registry: Registry, samples: int, length: int, train: TrainSettings, impl: ImplSettings
) -> Trainer:
    """Return a trainer of the tasks that are always auxiliary, on `samples` random samples of `length` tokens."""
    vocabulary, tasks, table = random_samples(config, registry, np.full(samples, length))
    data = {name: TaskData(table, {}, frozenset()) for name in tasks}
    plan = StagePlan(tuple(tasks), (tuple(1 for _ in tasks),))
    return Trainer(config, vocabulary, tasks, data, plan, train, impl)
