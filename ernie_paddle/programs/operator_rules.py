"""Rules that replace operators on CPU, where some of Paddle's kernels are slow, copy without need or are wrong.

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
BY_ROW = {f"pd_op.{name}" for name in ("add", "cast", "gelu", "layer_norm", "matmul", "multiply", "relu", "scale")}

# From inputs by name and the operator to its results, of which None stands for one without use; None: no rule applies
Rule = Callable[[dict[str, Any], Any], "list[Any] | None"]


def apply_rules(main: Any, encoder: Set[int]) -> None:
    """Replace the operators of a program that have a faster rule. Call it once all gradients are in use.

    `encoder` are the ids of the encoder's operators. Those of heads may be a plug-in's, of any kind.
    """
    rules = rules_by_operator(encoder)
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


def rules_by_operator(encoder: Set[int]) -> dict[str, Rule]:
    """Return the rules of one program by the name of the operator that they replace."""
    ones = Ones(encoder)
    return {
        "pd_op.add_grad": partial(_add_grad, encoder, ones),
        "pd_op.layer_norm_grad": partial(_layer_norm_grad, ones),
        "pd_op.matmul_grad": _matmul_grad,
        "pd_op.transpose_grad": _transpose_grad,
        "pd_op.cross_entropy_with_softmax": _cross_entropy,
    }


class Ones:
    """Sums over the rows of gradients by products with columns of ones, which is faster than a sum on CPU.

    Values of the encoder that have the same rows, those of one gather or look-up, share a column.
    """

    def __init__(self, encoder: Set[int]):
        self._encoder = encoder
        self._columns: dict[tuple[int, Any], Any] = {}

    def sums(self, gradient: Any, x: Any) -> Any:
        """Return the sums over rows, [size], of the gradient [rows, size] of a value x [rows, size]."""
        key = self._source(x).id, gradient.dtype
        if key not in self._columns:
            self._columns[key] = paddle.ones_like(gradient[:, 0])
        return paddle.matmul(self._columns[key], gradient)

    def _source(self, x: Any) -> Any:
        """Return the first of the values from which x is computed row by row, or else x."""
        operator = x.get_defining_op()
        while operator.id() in self._encoder and operator.name() in BY_ROW:
            x = operator.operands_source()[0]
            operator = x.get_defining_op()
        return x


def _add_grad(encoder: Set[int], ones: Ones, inputs: dict[str, Any], operator: Any) -> list[Any] | None:
    """Pass the gradient of a sum on; that of a bias [size] added to [rows, size] is a product with ones."""
    x, y, gradient = inputs["x"], inputs["y"], inputs["out_grad"]
    # The encoder adds no single row to several. Elsewhere, a size that is open until the program runs may be 1.
    if -1 not in x.shape or all(value.get_defining_op().id() in encoder for value in (x, y)):
        if x.shape == y.shape:
            return [gradient, gradient]
        if x.shape == gradient.shape and not operator.result(1).all_used_ops():
            return [gradient, None]
    if len(x.shape) == 2 and y.shape == x.shape[1:] and -1 not in y.shape:
        return [gradient, ones.sums(gradient, x)]
    return None


def _layer_norm_grad(ones: Ones, inputs: dict[str, Any], operator: Any) -> list[Any] | None:
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
    return [of_x, ones.sums(of_scale, x), ones.sums(gradient, x)]


def _matmul_grad(inputs: dict[str, Any], operator: Any) -> list[Any] | None:
    """Compose the gradients of x [rows, n] times a column: with AVX-512, oneDNN's gradient of x is arbitrary memory."""
    x, y, gradient, attributes = inputs["x"], inputs["y"], inputs["out_grad"], operator.attrs()
    if len(x.shape) != 2 or len(y.shape) != 2 or gradient.shape[1] != 1 or attributes["transpose_x"]:
        return None
    of_x = paddle.matmul(gradient, paddle.reshape(y, [1, -1]))
    of_y = paddle.matmul(x, gradient, transpose_x=True)
    return [of_x, paddle.reshape(of_y, y.shape)]


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
