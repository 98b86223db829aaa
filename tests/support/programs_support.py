"""Tiny sessions, random feeds, and the encoder without heads."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeding import encoder_feed
from ernie_paddle.data.feeds import ENCODER_FEEDS
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.building import declare_inputs, new_program
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.programs.gpu import GpuStandIn
from ernie_paddle.programs.network import Network
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.task_program import encoder_inputs
from ernie_paddle.programs.variables import Variables
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings, ImplSettings, Precision
from ernie_paddle.task import Labels, Task


def cpu(impl: ImplSettings | None = None, precision: Precision = "fp32") -> Backend:
    return Cpu(precision, impl)


def gpu(impl: ImplSettings | None = None, precision: Precision = "fp32") -> Backend:
    """Return the backend that runs the programs of a GPU on the CPU, with padded attention."""
    return GpuStandIn(precision, impl or ImplSettings(), flash=False)


def gpu_with_flash(impl: ImplSettings | None = None, precision: Precision = "fp32") -> Backend:
    return GpuStandIn(precision, impl or ImplSettings(), flash=True)


MakeBackend = Callable[..., Backend]  # from settings and a precision, of which each has a default
BACKENDS: tuple[MakeBackend, ...] = (cpu, gpu, gpu_with_flash)


def session_for(
    adam: AdamSettings, *names: str, dropout: float = 0.1, seed: int = 3, backend: Backend | None = None
) -> tuple[Session, list[Task]]:
    """Return a session with a tiny encoder, and tasks by name."""
    config = ErnieConfig(
        vocab_size=24,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        hidden_act="gelu",
        max_position_embeddings=8,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.5,
        use_task_id=True,
    )
    registry = load_plugins()
    return Session(config, seed, adam, backend or cpu()), [registry.pretraining_tasks.get(name) for name in names]


SIZES: dict[str, Any] = {
    "vocab_size": 24,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 12,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.5,
}


def session_of(backend: Backend | None = None, **sizes: Any) -> Session:
    """A session over two tiny layers without dropout, with other sizes as given."""
    config = ErnieConfig(**{**SIZES, "hidden_act": "gelu", **sizes})
    return Session(config, seed=3, adam=AdamSettings(), backend=backend or cpu())


def task_of(name: str) -> Task:
    """A task of pre-training."""
    return load_plugins().pretraining_tasks.get(name)


def random_batch(random: np.random.Generator, lengths: Sequence[int], vocabulary: int = 24) -> Batch:
    """Return a batch of random tokens, with ids from 5, in two sentences."""
    tokens = sum(lengths)
    columns = {"input_ids": random.integers(5, vocabulary, tokens), "sentence_ids": random.integers(0, 2, tokens)}
    return Batch.of(SampleBlock(np.array(lengths), columns), np.arange(len(lengths)))


def random_labels(random: np.random.Generator, task: Task, batch: Batch, vocabulary: int = 24) -> Labels:
    """Return random labels for a batch: of 8 tokens in knowledge masking, otherwise of every token or sample."""
    classes = task.objective.classes(vocabulary)
    if task.name == "knowledge_masking":
        tokens, name = random.integers(0, batch.tokens, 8), "mask_labels"
    else:
        tokens = batch.first_tokens if task.objective.level == "sentence" else np.arange(batch.tokens)
        name = f"{task.name}_fc_label"
    labels = random.integers(0, classes, len(tokens))
    return Labels(tokens, {name: labels}, labels)


def joined(batch: Batch, labels: dict[str, Labels]) -> dict[str, np.ndarray]:
    """Return the feed of a batch with these labels."""
    feed = encoder_feed(batch, labels)
    for label in labels.values():
        feed |= label.feeds
    return feed


def ones(count: int) -> np.ndarray:
    """Return weights of 1 for the losses of some tasks."""
    return np.ones(count, np.float32)


def feed_for(session: Session, tasks: tuple[Task, ...], seed: int) -> dict[str, np.ndarray]:
    """Return a batch of 4 samples of 8 tokens with labels for the tasks."""
    random = np.random.default_rng(seed)
    batch = random_batch(random, [8] * 4, session.config.vocab_size)
    labels = {task.name: random_labels(random, task, batch) for task in tasks}
    return joined(batch, labels)


def hidden_states(
    config: ErnieConfig,
    parameters: dict[str, np.ndarray],
    input_ids: np.ndarray,
    sentence_ids: np.ndarray,
    task_id: int,
    pad_id: int,
) -> np.ndarray:
    """Return the encoder's outputs with these parameters for inference, [batch, length, hidden], zeros at padding."""
    real = input_ids != pad_id
    columns = {"input_ids": input_ids[real], "sentence_ids": sentence_ids[real]}
    batch = Batch.of(SampleBlock(real.sum(axis=1), columns), np.arange(len(input_ids)))
    everything = np.arange(batch.tokens)
    feed = encoder_feed(batch, {"all": Labels(everything, {}, everything)})
    variables = Variables(paddle.CPUPlace())
    with new_program() as main:
        inputs = encoder_inputs(declare_inputs(ENCODER_FEEDS))
        network = Network(config, task_id, inputs, Dropout(active=False, fed=False), Cpu())
    for name in network.parameters:
        variables.set_parameter(name, parameters[name])
    feed = {declared.name: feed[declared.name] for declared in ENCODER_FEEDS}
    executor = paddle.static.Executor(variables.place)
    (outputs,) = executor.run(main, feed=feed, fetch_list=[network.outputs], scope=variables.scope)
    states = np.zeros((*input_ids.shape, config.hidden_size), np.float32)
    states[real] = outputs
    return states


@contextmanager
def dynamic_paddle() -> Iterator[Any]:
    """Yield Paddle in dynamic mode, in which operations run immediately."""
    paddle.disable_static()
    try:
        yield paddle
    finally:
        paddle.enable_static()
