"""The program of one combination of tasks: forward pass, losses and, in training, gradients into shared buffers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

from ernie_paddle.data.feeds import ENCODER_FEEDS, Feed, selected_feed
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import PackedLayout, SymbolicLayout, TokenLayout
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.building import (
    count_products,
    new_program,
    operator_ids,
    persistent_variable,
    remove_unread,
)
from ernie_paddle.programs.dropout import Dropout, Mask
from ernie_paddle.programs.network import SHARED_HEADS, EncoderInputs, Network
from ernie_paddle.programs.parameter_groups import ParameterGroup, group_parameters
from ernie_paddle.programs.recomputation import recompute_layers
from ernie_paddle.programs.variables import GRADIENT_SUFFIX, ParameterSpec
from ernie_paddle.task import HeadOutput, Task, is_of_head

LOSS_WEIGHTS = "loss_weights"
LOSS_SCALE = "loss_scale"


@dataclass(frozen=True)
class TaskProgram:
    """A built program.

    `scores` are the scores of the first task that predictions are made from, None in training. `metrics`, float32
    [tasks, 2], are the summed loss and the number of correct predictions of each task, in the order of `tasks`. A
    training program accumulates them in the variable `metrics_name` instead of returning them, so that nothing waits
    for the device between two log records. It reads the weight of each task's loss from the variable `weights_name`.
    """

    tasks: tuple[Task, ...]
    main: Any
    backend: Backend
    feeds: tuple[Feed, ...]
    read: frozenset[str]  # the names of the feeds that it reads
    scores: Any
    metrics: Any
    metrics_name: str
    weights_name: str
    groups: tuple[ParameterGroup, ...]
    trained: tuple[ParameterGroup, ...]  # those with gradients
    masks: tuple[Mask, ...]  # of dropout
    products: tuple[int, int]  # matrix products of the forward pass, and those of them in low precision

    @property
    def parameters(self) -> dict[str, ParameterSpec]:
        """The parameters by name."""
        return {spec.name: spec for group in self.groups for spec in group.specs}

    def complete_feed(self, feed: dict[str, np.ndarray], dropout_key: int) -> dict[str, np.ndarray]:
        """Check the feed, leave out what the program does not read, pack the rest and add the dropout masks.

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
        masks = {mask.feed.name: mask.sample(feed, dropout_key) for mask in self.masks}
        return self.backend.pack(feed, self.read) | masks


def build_task_program(
    config: ErnieConfig,
    tasks: Sequence[Task],
    training: bool,
    backend: Backend,
    accumulates: bool = False,
    heads_only: bool = False,
) -> TaskProgram:
    """Build the program of a primary task, which selects the task embedding, and its auxiliary tasks.

    The primary task is the first of `tasks`. In training the loss is the sum over tasks of the variable `weights_name`
    [tasks] times the summed loss; a weight of 1 / (labels of the whole step) makes it the mean over all micro-batches.
    Gradients, times `loss_scale` [1], are written to `<parameter>@GRAD`, or added to it if the program `accumulates`.
    With `heads_only`, there is no backward pass through the encoder. The metrics skip losses that are not finite.
    """
    combination = "+".join(task.name for task in tasks)
    metrics_name, weights_name = f"metrics@{combination}", f"{LOSS_WEIGHTS}@{combination}"
    recompute = backend.impl.recompute
    with new_program() as main:
        feeds = [*ENCODER_FEEDS, *(selected_feed(task.name) for task in tasks)]
        feeds += [feed for task in tasks for feed in task.objective.feeds()]
        inputs = backend.declare_feeds(feeds)
        dropout = Dropout(training, backend.feeds_masks, recompute)
        network = Network(config, tasks[0].task_id, encoder_inputs(inputs, backend.flash), dropout, backend)
        encoder = operator_ids()
        encoder_groups = group_parameters("encoder", network.parameters.values())
        heads = [_add_head(task, network, inputs) for task in tasks]
        outputs, head_groups = [output for output, _ in heads], tuple(group for _, own in heads for group in own)
        groups = encoder_groups + head_groups
        trained = head_groups if heads_only else groups
        products = count_products(main)
        scores = None if training else tasks[0].objective.prediction_scores(outputs[0].logits)
        metrics = paddle.stack([paddle.stack([output.loss_sum, output.correct]) for output in outputs])
        if training:
            weights = persistent_variable(weights_name, (len(tasks),)) * persistent_variable(LOSS_SCALE, (1,))
            loss = paddle.sum(paddle.stack([output.loss_sum for output in outputs]) * weights)
            forward = operator_ids()
            targets = backend.gradient_targets(main, trained, network.values)
            write_gradients(loss, targets, accumulates, [network.outputs] if heads_only else [])
            accumulate_finite(metrics, metrics_name)
            backend.finish(main, encoder)
            if recompute and not heads_only:
                recompute_layers(main, forward, network.layers, dropout.kept)
    read = frozenset(name for name, value in inputs.items() if value.all_used_ops())
    remove_unread(main, [value for name, value in inputs.items() if name not in read])
    return TaskProgram(
        tuple(tasks),
        main,
        backend,
        tuple(feeds),
        read,
        scores,
        metrics,
        metrics_name,
        weights_name,
        groups,
        trained,
        tuple(dropout.masks),
        products,
    )


def encoder_inputs(inputs: dict[str, Any], flash: bool = False) -> EncoderInputs:
    """Return the encoder's inputs from the Values of `ENCODER_FEEDS`, with the layouts of FlashAttention or padded."""

    def layout(kind: str, tokens: str) -> TokenLayout:
        if flash:
            return PackedLayout(inputs[f"{kind}_cu_seqlens"], (tokens, 0))
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


def _add_head(task: Task, network: Network, inputs: dict[str, Any]) -> tuple[HeadOutput, list[ParameterGroup]]:
    """Add a task's head; return the groups of its parameters that no earlier head shares.

    Raises:
        ValueError: the objective made a parameter that is neither its own nor one of a head that all tasks share.
    """
    feed, before = selected_feed(task.name).name, set(network.parameters)
    output = task.objective.build(network, network.select_outputs(inputs[feed], feed), inputs)
    by_owner: dict[str, list[ParameterSpec]] = {}
    for name in [name for name in network.parameters if name not in before]:
        shared = next((prefix for prefix in SHARED_HEADS if name.startswith(prefix)), None)
        if shared is None and not is_of_head(name, task.objective.heads):
            raise ValueError(f"the objective of {task.name} made the parameter {name}, which is not of its `heads`")
        owner = shared or f"{task.name}_head"  # a task may be called encoder
        by_owner.setdefault(owner, []).append(network.parameters[name])
    return output, [group for owner, specs in by_owner.items() for group in group_parameters(owner, specs)]


def accumulate_finite(metrics: Any, name: str) -> None:
    """Add the metrics [tasks, 2] that are finite to the variable of a name."""
    accumulated = persistent_variable(name, tuple(metrics.shape))
    finite = paddle.where(paddle.isfinite(metrics), metrics, paddle.zeros_like(metrics))
    paddle.assign(accumulated + finite, output=accumulated)


def write_gradients(loss: Any, targets: Mapping[str, Any], accumulates: bool, constants: Iterable[Any] = ()) -> None:
    """Write the gradients of a loss to the buffers of the targets, or add them. None are computed of `constants`."""
    found = paddle.static.append_backward(loss, list(targets.values()), no_grad_set=set(constants))
    gradients = {value.id: gradient for value, gradient in found if gradient is not None}
    for name, target in targets.items():
        buffer = persistent_variable(name + GRADIENT_SUFFIX, tuple(target.shape))
        gradient = gradients.get(target.id)
        if gradient is None:  # the loss does not depend on it
            gradient = paddle.zeros_like(buffer)
        paddle.assign(buffer + gradient if accumulates else gradient, output=buffer)
