"""The CPU: oneDNN's operators, with what its gradients need."""

import ctypes
import functools
from collections.abc import Mapping, Sequence, Set
from typing import Any

import paddle
from paddle.nn import functional as F

from ernie_paddle.programs.attention import AttentionFunction, padded_attention
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.operator_rules import apply_rules
from ernie_paddle.programs.parameter_groups import ParameterGroup
from ernie_paddle.settings import ImplSettings, Precision

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of malloc.h


class Cpu(Backend):
    """The CPU. Dropout masks come from numpy, which is some ten times as fast as Paddle's operator."""

    feeds_masks, feeds_ahead = True, False

    def __init__(self, precision: Precision = "fp32", impl: ImplSettings | None = None):
        super().__init__(precision, impl or ImplSettings())
        paddle.set_flags({"FLAGS_use_mkldnn": True})
        _keep_freed_memory()
        self.place = paddle.CPUPlace()

    def product(self, x: Any, weight: Any, bias: Any, transposed: bool) -> Any:
        return paddle.matmul(x, weight, transpose_y=transposed) + bias

    def look_up(self, ids: Any, table: Any, small: bool) -> Any:
        return F.embedding(ids, table)

    def contiguous(self, x: Any) -> Any:
        return paddle.assign(x)  # oneDNN's gradient of a product is wrong for a transposed one

    def attention(self, longest: int) -> AttentionFunction:
        return padded_attention(self.contiguous)

    def gradient_targets(
        self, main: Any, groups: Sequence[ParameterGroup], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {spec.name: values[spec.name] for group in groups for spec in group.specs}

    def finish(self, main: Any, encoder: Set[int]) -> None:
        apply_rules(main, encoder)


@functools.cache
def _keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next step. Fresh pages cost a tenth of a small model's time."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # glibc
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, 64 << 20)):
            library.mallopt(option, value)
