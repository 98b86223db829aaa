"""The program of one combination of tasks: forward, losses and, in training, gradients into shared buffers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.building import (
    count_products,
    declare_inputs,
    gradient_buffer,
    kept_value,
    low_precision,
    new_program,
)
from ernie_paddle.programs.network import Network
from ernie_paddle.programs.variables import ParameterSpec
from ernie_paddle.settings import Precision
from ernie_paddle.task import Feed, Task

ENCODER_FEEDS = (Feed("input_ids", (-1, -1), "int64"), Feed("sentence_ids", (-1, -1), "int64"))
LOSS_WEIGHTS = "loss_weights"
LOSS_SCALE = "loss_scale"


@dataclass(frozen=True)
class TaskProgram:
    """A built program.

    `metrics` is float32 [tasks, 2]: summed loss and right answers of each task, in the order of `tasks`. A
    training program adds them up under `metrics_name` instead of handing them out, so that nothing waits for
    the device between two records in the log.
    """

    tasks: tuple[Task, ...]
    main: Any
    feeds: tuple[Feed, ...]
    metrics: Any
    metrics_name: str
    parameters: dict[str, ParameterSpec]
    products: tuple[int, int]  # matrix products, and those of them in low precision

    def check(self, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The feed, after a check of names, ranks and dtypes: Paddle itself would broadcast or cast."""
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
        return feed


def build_task_program(
    config: ErnieConfig, tasks: Sequence[Task], pad_id: int, training: bool, precision: Precision = "fp32"
) -> TaskProgram:
    """Build the program of a primary task (first, it names the task embedding) and its companions.

    In training the loss is the sum over tasks of `loss_weights` [tasks] times the summed loss; a weight of
    1 / (labels of the whole update) makes it a mean over all micro-batches. Gradients, times `loss_scale` [1], are
    added to `<parameter>@GRAD`. Losses that are not finite are left out of the metrics.
    """
    metrics_name = "metrics@" + "+".join(task.name for task in tasks)
    with new_program() as main:
        feeds = (*ENCODER_FEEDS, *(feed for task in tasks for feed in task.objective.feeds()))
        inputs = declare_inputs(feeds)
        with low_precision(precision):
            network = Network(config, tasks[0].task_id, pad_id, training, inputs)
            outcomes = [task.objective.build(network, inputs) for task in tasks]
        products = count_products(main)
        metrics = paddle.stack([paddle.stack([outcome.loss_sum, outcome.correct]) for outcome in outcomes])
        if training:
            weights = Feed(LOSS_WEIGHTS, (len(tasks),), "float32")
            feeds = (*feeds, weights)
            weight = declare_inputs((weights,))[LOSS_WEIGHTS] * kept_value(LOSS_SCALE, (1,))
            loss = paddle.sum(paddle.stack([outcome.loss_sum for outcome in outcomes]) * weight)
            for parameter, gradient in paddle.static.append_backward(loss, list(network.values.values())):
                buffer = gradient_buffer(network.parameters[parameter.name])
                paddle.assign(buffer + gradient, output=buffer)
            collected = kept_value(metrics_name, (len(tasks), 2))
            finite = paddle.where(paddle.isfinite(metrics), metrics, paddle.zeros_like(metrics))
            paddle.assign(collected + finite, output=collected)
    return TaskProgram(tuple(tasks), main, feeds, metrics, metrics_name, network.parameters, products)
