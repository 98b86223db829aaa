"""Short trainings that checks compare."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeding import encoder_feed
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import Registry
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Labels, Task
from ernie_paddle.training.benchmark import random_samples

# With AdamW's own epsilon, the sign of a gradient that is 0 but for rounding would move a parameter.
ADAM = AdamSettings(epsilon=1e-3)
RATE, SEED = 1e-3, 1
LABELLED_EVERY = 7  # tokens
SIGNIFICANT = 1e-3  # share of the norm of all gradients; the gradients of the keys' biases are 0 but for rounding


@dataclass(frozen=True)
class Workload:
    """A model, a task over its vocabulary, and a batch of random tokens with random labels."""

    config: ErnieConfig
    task: Task
    feed: dict[str, np.ndarray]
    labels: int

    @property
    def loss_weights(self) -> np.ndarray:
        """The weights that make the loss the mean over labels, float32 [1]."""
        return np.array([1 / self.labels], np.float32)


def workload(
    config: ErnieConfig, registry: Registry, lengths: Sequence[int], unlabelled: Sequence[int] = (), number: int = 0
) -> Workload:
    """Return a workload on sequences of these lengths, of which those at the indices `unlabelled` have no labels.

    Workloads of another `number` have other tokens and labels.
    """
    vocabulary, tasks, table = random_samples(config, registry, np.array(lengths), number)
    task = next(task for task in tasks.values() if task.objective.predicts_tokens)
    batch = Batch.of(table.take(np.arange(len(lengths))), np.arange(len(lengths)))
    tokens = np.arange(batch.tokens)
    tokens = tokens[(tokens % LABELLED_EVERY == 0) & ~np.isin(batch.row_of_token, unlabelled)]
    classes = generator("check", "labels", number).choice(vocabulary.ordinary_ids, len(tokens))
    (declared,) = task.objective.feeds()
    labels = Labels(tokens, {declared.name: classes.astype(np.int64)}, classes)
    return Workload(config, task, encoder_feed(batch, {task.name: labels}) | labels.feeds, len(tokens))


@dataclass(frozen=True)
class Trace:
    """What a short training gave: the loss of each step, the gradients of the first, the parameters after the last."""

    losses: list[float]
    gradients: dict[str, np.ndarray]
    parameters: dict[str, np.ndarray]


def session_of(work: Workload, backend: Backend, ranks: Ranks | None = None) -> Session:
    """Return a session of the workload's model."""
    return Session(work.config, SEED, ADAM, backend, ranks)


def train(work: Workload, backend: Backend, steps: int = 1, key: int = 1) -> Trace:
    """Train for some steps with the dropout keys from `key` on."""
    session, losses, gradients = session_of(work, backend), list[float](), dict[str, np.ndarray]()
    for step in range(steps):
        losses.append(loss_of(work, session, key + step))
        if not step:
            names = session.parameters()
            gradients = {name: session.variables.get(name + GRADIENT_SUFFIX) for name in names}
        session.update((work.task,), RATE)
    return Trace(losses, gradients, session.parameters())


def initial_parameters(work: Workload, backend: Backend) -> dict[str, np.ndarray]:
    """Return the parameters before training."""
    session = session_of(work, backend)
    session.parameter_shapes([work.task])  # builds a program, which creates them
    return session.parameters()


def loss_of(work: Workload, session: Session, key: int) -> float:
    """Add the gradients of the workload to a session; return the mean loss."""
    session.add_gradients((work.task,), work.feed, work.loss_weights, key)
    return float(session.take_metrics()[work.task.name][0]) / work.labels


@dataclass(frozen=True)
class Agreement:
    """How near some arrays are to the expected ones.

    `cosine` is the lowest of the arrays that matter, `error` the largest norm of a difference: relative to the array's,
    but to no less than a thousandth of the norm of all arrays together.
    """

    cosine: float
    error: float

    @classmethod
    def of(cls, found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> "Agreement":
        """Compare arrays by name."""
        pairs = [(found[name].astype(np.float64), expected[name].astype(np.float64)) for name in expected]
        if not all(np.isfinite(one).all() and np.isfinite(other).all() for one, other in pairs):
            return cls(-1.0, float("inf"))
        least = SIGNIFICANT * np.sqrt(sum((other**2).sum() for _, other in pairs))
        cosines, errors = [1.0], [0.0]
        for one, other in pairs:
            size = float(np.linalg.norm(other))
            errors.append(float(np.linalg.norm(one - other)) / max(size, least))
            if size > least:
                cosines.append(float((one * other).sum()) / (size * float(np.linalg.norm(one)) or 1.0))
        return cls(min(cosines), max(errors))


def loss_error(found: Sequence[float], expected: Sequence[float]) -> float:
    """Return the largest relative difference of losses, infinite if one is not finite."""
    if not np.isfinite([*found, *expected]).all():
        return float("inf")
    return max(abs(one / other - 1) for one, other in zip(found, expected, strict=True))
