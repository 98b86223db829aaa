"""The program of one combination of tasks: forward, losses and, in training, gradients into shared buffers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

from ernie_paddle.data.feeding import ENCODER_FEEDS, outputs_feed
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import (
    AttentionFunction,
    Layout,
    flash_attention,
    rectangular_attention,
    uses_flash,
)
from ernie_paddle.programs.building import (
    count_products,
    declare_inputs,
    gradient_buffer,
    kept_value,
    low_precision,
    new_program,
    operators_so_far,
)
from ernie_paddle.programs.dropout import Dropout, Mask
from ernie_paddle.programs.network import EncoderInputs, Network
from ernie_paddle.programs.recomputation import recompute
from ernie_paddle.programs.variables import ParameterSpec
from ernie_paddle.settings import ImplSettings, Precision
from ernie_paddle.task import Feed, Outcome, Task

LOSS_WEIGHTS = "loss_weights"
LOSS_SCALE = "loss_scale"


@dataclass(frozen=True)
class TaskProgram:
    """A built program.

    `scores` are what answers of the first task are read from, None in training. `metrics` is float32 [tasks, 2]: summed
    loss and right answers of each task, in the order of `tasks`. A training program adds them up under
    `metrics_name` instead of handing them out, so that nothing waits for the device between two records in the log.
    """

    tasks: tuple[Task, ...]
    main: Any
    feeds: tuple[Feed, ...]
    scores: Any
    metrics: Any
    metrics_name: str
    parameters: dict[str, ParameterSpec]
    masks: tuple[Mask, ...]  # of dropout
    products: tuple[int, int]  # matrix products, and those of them in low precision

    def complete(self, feed: dict[str, np.ndarray], dropout_key: int) -> dict[str, np.ndarray]:
        """The feed with the masks of dropout, after a check of names, ranks and dtypes: Paddle would cast."""
        if feed.keys() != {declared.name for declared in self.feeds}:
            raise ValueError(f"fed {sorted(feed)}, declared {sorted(declared.name for declared in self.feeds)}")
        for declared in self.feeds:
            found = feed[declared.name]
            same = len(found.shape) == len(declared.shape) and all(
                size in (-1, actual) for size, actual in zip(declared.shape, found.shape, strict=True)
            )
            if not same or str(found.dtype) != declared.dtype:
                raise ValueError(
                    f"feed {declared.name}: declared {declared.dtype} {declared.shape}, "
                    f"found {found.dtype} {found.shape}"
                )
        return {**feed, **{mask.feed.name: mask.draw(feed, dropout_key) for mask in self.masks}}


def build_task_program(
    config: ErnieConfig,
    tasks: Sequence[Task],
    training: bool,
    precision: Precision = "fp32",
    impl: ImplSettings | None = None,
) -> TaskProgram:
    """Build the program of a primary task (first, it names the task embedding) and its companions.

    In training the loss is the sum over tasks of `loss_weights` [tasks] times the summed loss; a weight of
    1 / (labels of the whole update) makes it a mean over all micro-batches. Gradients, times `loss_scale` [1], are
    added to `<parameter>@GRAD`. Losses that are not finite are left out of the metrics.
    """
    impl = impl or ImplSettings()
    metrics_name = "metrics@" + "+".join(task.name for task in tasks)
    with new_program() as main:
        feeds = [*ENCODER_FEEDS, *(outputs_feed(task.name) for task in tasks)]
        feeds += [feed for task in tasks for feed in task.objective.feeds()]
        inputs = declare_inputs(feeds)
        dropout = Dropout(training, impl.recompute)
        attention: AttentionFunction = rectangular_attention
        if uses_flash(impl.attention, precision):
            attention = flash_attention(config.max_position_embeddings, precision)
        with low_precision(precision):
            network = Network(config, tasks[0].task_id, encoder_inputs(inputs), dropout, attention)
            outcomes = [_outcome(task, network, inputs) for task in tasks]
        products = count_products(main)
        scores = None if training else tasks[0].objective.answer_scores(outcomes[0].logits)
        metrics = paddle.stack([paddle.stack([outcome.loss_sum, outcome.correct]) for outcome in outcomes])
        if training:
            weights = Feed(LOSS_WEIGHTS, (len(tasks),), "float32")
            feeds.append(weights)
            weight = declare_inputs((weights,))[LOSS_WEIGHTS] * kept_value(LOSS_SCALE, (1,))
            loss = paddle.sum(paddle.stack([outcome.loss_sum for outcome in outcomes]) * weight)
            _collect_gradients(main, loss, network, dropout, impl.recompute)
            collected = kept_value(metrics_name, (len(tasks), 2))
            finite = paddle.where(paddle.isfinite(metrics), metrics, paddle.zeros_like(metrics))
            paddle.assign(collected + finite, output=collected)
    masks = tuple(dropout.masks)
    return TaskProgram(
        tuple(tasks), main, tuple(feeds), scores, metrics, metrics_name, network.parameters, masks, products
    )


def encoder_inputs(inputs: dict[str, Any]) -> EncoderInputs:
    """The Values of `ENCODER_FEEDS` as the network takes them."""

    def layout(kind: str, tokens: str) -> Layout:
        cells = f"{kind}_of_cell"
        return Layout(inputs[cells], inputs[f"cell_of_{kind}"], (tokens, 0), (cells, 0), (cells, 1))

    return EncoderInputs(
        inputs["input_ids"],
        inputs["sentence_ids"],
        inputs["position_ids"],
        inputs["outputs"],
        layout("token", "input_ids"),
        layout("output", "outputs"),
    )


def _outcome(task: Task, network: Network, inputs: dict[str, Any]) -> Outcome:
    feed = outputs_feed(task.name).name
    return task.objective.build(network, network.read(inputs[feed], feed), inputs)


def _collect_gradients(main: Any, loss: Any, network: Network, dropout: Dropout, again: bool) -> None:
    """Add the gradients of a loss to their buffers; `again`: compute the layers again for them."""
    forward = operators_so_far()
    gradients = paddle.static.append_backward(loss, list(network.values.values()))
    if again:
        recompute(main, forward, network.layers, dropout.kept)
    for parameter, gradient in gradients:
        buffer = gradient_buffer(network.parameters[parameter.name])
        paddle.assign(buffer + gradient, output=buffer)
