"""Rules that replace operators on CPU, where some of Paddle's kernels are slow or copy without need.

Each rule has the results of the operator that it replaces, up to rounding. Most are for operators of gradients.
"""

import math
from collections.abc import Callable, Set
from functools import partial
from typing import Any

import numpy as np
import paddle
from paddle.nn import functional as F

LEAST_SHARE = 1e-12  # less than 1 / classes

# From inputs by name and the operator to its results, of which None stands for one without use; None: no rule applies
Rule = Callable[[dict[str, Any], Any], "list[Any] | None"]


def apply_rules(main: Any, encoder: Set[int]) -> None:
    """Replace the operators of a program that have a faster rule. Call it once all gradients are in use.

    `encoder` are the ids of the encoder's operators. Those of heads may be a plug-in's, of any kind.
    """
    rules: dict[str, Rule] = {**RULES, "pd_op.add_grad": partial(_add_grad, encoder)}
    block = main.global_block()
    for operator in block.ops:
        rule = rules.get(operator.name())
        if rule is None:
            continue
        paddle.pir.set_insertion_point(operator)
        inputs = dict(zip(operator.get_input_names(), operator.operands_source(), strict=True))
        results = rule(inputs, operator)
        if results is not None:
            for result, replacement in zip(operator.results(), results, strict=True):
                if replacement is not None:
                    result.replace_all_uses_with(replacement)
            block.remove_op(operator)
    paddle.pir.reset_insertion_point_to_end()


def _add_grad(encoder: Set[int], inputs: dict[str, Any], operator: Any) -> list[Any] | None:
    """Pass the gradient of a sum on; that of a bias [size] added to [rows, size] is a product with ones."""
    x, y, gradient = inputs["x"], inputs["y"], inputs["out_grad"]
    # The encoder adds no single row to several. Elsewhere, a size that is open until the program runs may be 1.
    if -1 not in x.shape or all(value.get_defining_op().id() in encoder for value in (x, y)):
        if x.shape == y.shape:
            return [gradient, gradient]
        if x.shape == gradient.shape and not operator.result(1).all_used_ops():
            return [gradient, None]
    if len(x.shape) == 2 and y.shape == x.shape[1:] and -1 not in y.shape:
        return [gradient, paddle.reshape(_column_sums(gradient), y.shape)]
    return None


def _layer_norm_grad(inputs: dict[str, Any], operator: Any) -> list[Any] | None:
    """Compose the gradients of LayerNorm over [rows, size] from products and oneDNN's elementwise operators."""
    x, scale, gradient = inputs["x"], inputs["scale"], inputs["out_grad"]
    if len(x.shape) != 2 or scale.get_defining_op() is None or scale.dtype != x.dtype:  # None: it has no scale
        return None
    size = int(x.shape[-1])
    column = paddle.reshape(scale, [size, 1]) * (1 / size)
    deviation = paddle.unsqueeze(paddle.rsqrt(inputs["variance"] + operator.attrs()["epsilon"]), 1)
    normalized = (x - paddle.unsqueeze(inputs["mean"], 1)) * deviation
    of_scale = gradient * normalized
    mean, projection = paddle.matmul(gradient, column), paddle.matmul(of_scale, column)
    of_x = (gradient * scale - normalized * projection - mean) * deviation
    return [of_x, paddle.reshape(_column_sums(of_scale), [size]), paddle.reshape(_column_sums(gradient), [size])]


def _transpose_grad(inputs: dict[str, Any], operator: Any) -> list[Any]:
    """Transpose the gradient back: Paddle's own operator is not oneDNN's in bf16."""
    order = operator.attrs()["perm"]
    return [paddle.transpose(inputs["out_grad"], np.argsort([axis % len(order) for axis in order]).tolist())]


def _cross_entropy(inputs: dict[str, Any], operator: Any) -> list[Any] | None:
    """Compose softmax and cross entropy [rows, 1] with the class of each row from oneDNN's operators."""
    logits, labels, attributes = inputs["input"], inputs["label"], operator.attrs()
    if len(logits.shape) != 2 or attributes["axis"] not in (-1, 1):
        return None
    if attributes["soft_label"] or not attributes["use_softmax"]:
        return None
    shares = F.softmax(logits)
    ignored = labels == attributes["ignore_index"]
    own = paddle.take_along_axis(logits, paddle.where(ignored, paddle.zeros_like(labels), labels), 1, broadcast=False)
    # The greatest share is at least 1 / classes, so that its logarithm is exact where that of a small share is not.
    # Where a score is not finite, oneDNN gives tiny shares and its maximum leaves NaN out.
    greatest = paddle.max(shares, axis=1, keepdim=True)
    greatest = paddle.where(greatest < LEAST_SHARE, paddle.full_like(greatest, math.nan), greatest)
    losses = paddle.max(logits, axis=1, keepdim=True) - own - paddle.log(greatest)
    return [shares, paddle.where(ignored, paddle.zeros_like(losses), losses)]


def _column_sums(x: Any) -> Any:
    """Return the sums over rows of x [rows, size] as [1, size], by a product, which is faster than a sum on CPU."""
    return paddle.matmul(paddle.ones_like(x[:, :1]), x, transpose_x=True)


RULES: dict[str, Rule] = {
    "pd_op.layer_norm_grad": _layer_norm_grad,
    "pd_op.transpose_grad": _transpose_grad,
    "pd_op.cross_entropy_with_softmax": _cross_entropy,
}
