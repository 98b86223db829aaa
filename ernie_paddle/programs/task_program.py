"""The program of one combination of tasks: forward pass, losses and, in training, gradients into shared buffers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

from ernie_paddle.data.feeds import ENCODER_FEEDS, Feed, selected_feed
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import (
    AttentionFunction,
    SymbolicLayout,
    flash_attention,
    padded_attention,
    uses_flash,
)
from ernie_paddle.programs.building import (
    count_products,
    declare_inputs,
    gradient_buffer,
    low_precision,
    new_program,
    operator_ids,
    persistent_variable,
)
from ernie_paddle.programs.dropout import Dropout, Mask
from ernie_paddle.programs.network import SHARED_HEADS, EncoderInputs, Network
from ernie_paddle.programs.recomputation import recompute_layers
from ernie_paddle.programs.variables import ParameterSpec
from ernie_paddle.settings import ImplSettings, Precision
from ernie_paddle.task import HeadOutput, Task, is_of_head

LOSS_WEIGHTS = "loss_weights"
LOSS_SCALE = "loss_scale"


@dataclass(frozen=True)
class TaskProgram:
    """A built program.

    `scores` are the scores of the first task that predictions are made from, None in training. `metrics`, float32
    [tasks, 2], are the summed loss and the number of correct predictions of each task, in the order of `tasks`. A
    training program accumulates them in the variable `metrics_name` instead of returning them, so that nothing waits
    for the device between two log records.
    """

    tasks: tuple[Task, ...]
    main: Any
    feeds: tuple[Feed, ...]
    scores: Any
    metrics: Any
    metrics_name: str
    parameters: dict[str, ParameterSpec]
    masks: tuple[Mask, ...]  # of dropout
    products: tuple[int, int]  # matrix products of the forward pass, and those of them in low precision

    def complete_feed(self, feed: dict[str, np.ndarray], dropout_key: int) -> dict[str, np.ndarray]:
        """Check the feed and add the dropout masks to it.

        Raises:
            ValueError: names, shapes or dtypes are not the declared ones; Paddle would cast without a warning.
        """
        if feed.keys() != {declared.name for declared in self.feeds}:
            raise ValueError(f"fed {sorted(feed)}, declared {sorted(declared.name for declared in self.feeds)}")
        for declared in self.feeds:
            array = feed[declared.name]
            same_shape = len(array.shape) == len(declared.shape) and all(
                size in (-1, actual) for size, actual in zip(declared.shape, array.shape, strict=True)
            )
            if not same_shape or str(array.dtype) != declared.dtype:
                raise ValueError(
                    f"feed {declared.name}: declared {declared.dtype} {declared.shape}, "
                    f"found {array.dtype} {array.shape}"
                )
        return {**feed, **{mask.feed.name: mask.sample(feed, dropout_key) for mask in self.masks}}


def build_task_program(
    config: ErnieConfig,
    tasks: Sequence[Task],
    training: bool,
    precision: Precision = "fp32",
    impl: ImplSettings | None = None,
) -> TaskProgram:
    """Build the program of a primary task, which selects the task embedding, and its auxiliary tasks.

    The primary task is the first of `tasks`. In training the loss is the sum over tasks of `loss_weights` [tasks] times
    the summed loss; a weight of 1 / (labels of the whole step) makes it the mean over all micro-batches. Gradients,
    times `loss_scale` [1], are added to `<parameter>@GRAD`. The metrics skip losses that are not finite.
    """
    impl = impl or ImplSettings()
    metrics_name = "metrics@" + "+".join(task.name for task in tasks)
    with new_program() as main:
        feeds = [*ENCODER_FEEDS, *(selected_feed(task.name) for task in tasks)]
        feeds += [feed for task in tasks for feed in task.objective.feeds()]
        inputs = declare_inputs(feeds)
        dropout = Dropout(training, impl.recompute)
        attention: AttentionFunction = padded_attention
        if uses_flash(impl.attention, precision):
            attention = flash_attention(config.max_position_embeddings, precision)
        with low_precision(precision):
            network = Network(config, tasks[0].task_id, encoder_inputs(inputs), dropout, attention)
            head_outputs = [_head_output(task, network, inputs) for task in tasks]
        products = count_products(main)
        scores = None if training else tasks[0].objective.prediction_scores(head_outputs[0].logits)
        metrics = paddle.stack(
            [paddle.stack([head_output.loss_sum, head_output.correct]) for head_output in head_outputs]
        )
        if training:
            weights = Feed(LOSS_WEIGHTS, (len(tasks),), "float32")
            feeds.append(weights)
            weight = declare_inputs((weights,))[LOSS_WEIGHTS] * persistent_variable(LOSS_SCALE, (1,))
            loss = paddle.sum(paddle.stack([head_output.loss_sum for head_output in head_outputs]) * weight)
            _accumulate_gradients(main, loss, network, dropout, impl.recompute)
            accumulated = persistent_variable(metrics_name, (len(tasks), 2))
            finite = paddle.where(paddle.isfinite(metrics), metrics, paddle.zeros_like(metrics))
            paddle.assign(accumulated + finite, output=accumulated)
    masks = tuple(dropout.masks)
    return TaskProgram(
        tuple(tasks), main, tuple(feeds), scores, metrics, metrics_name, network.parameters, masks, products
    )


def encoder_inputs(inputs: dict[str, Any]) -> EncoderInputs:
    """Return the encoder's inputs from the Values of `ENCODER_FEEDS`."""

    def layout(kind: str, tokens: str) -> SymbolicLayout:
        padded = f"padded_to_{kind}"
        return SymbolicLayout(inputs[padded], inputs[f"{kind}_to_padded"], (tokens, 0), (padded, 0), (padded, 1))

    return EncoderInputs(
        inputs["input_ids"],
        inputs["sentence_ids"],
        inputs["position_ids"],
        inputs["selected"],
        layout("token", "input_ids"),
        layout("selected", "selected"),
    )


def _head_output(task: Task, network: Network, inputs: dict[str, Any]) -> HeadOutput:
    """Add a task's head.

    Raises:
        ValueError: the objective made a parameter that is neither its own nor one of a head that all tasks share.
    """
    feed, shared = selected_feed(task.name).name, set(network.parameters)
    output = task.objective.build(network, network.select_outputs(inputs[feed], feed), inputs)
    for name in network.parameters.keys() - shared:
        if not name.startswith(SHARED_HEADS) and not is_of_head(name, task.objective.heads):
            raise ValueError(f"the objective of {task.name} made the parameter {name}, which is not of its `heads`")
    return output


def _accumulate_gradients(main: Any, loss: Any, network: Network, dropout: Dropout, recompute: bool) -> None:
    """Add the gradients of a loss to their buffers, with the layers recomputed for them if asked."""
    forward = operator_ids()
    gradients = paddle.static.append_backward(loss, list(network.values.values()))
    if recompute:
        recompute_layers(main, forward, network.layers, dropout.kept)
    for parameter, gradient in gradients:
        buffer = gradient_buffer(network.parameters[parameter.name])
        paddle.assign(buffer + gradient, output=buffer)
