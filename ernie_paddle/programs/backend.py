"""Everything in programs that depends on the device, in one object; `devices.choose_backend` chooses it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import paddle

from ernie_paddle.data.feeds import Feed
from ernie_paddle.programs.attention import AttentionFunction
from ernie_paddle.programs.building import cast, declare_inputs
from ernie_paddle.programs.parameter_groups import ParameterGroup
from ernie_paddle.settings import ImplSettings, Precision

DTYPES: dict[Precision, Any] = {
    "fp32": paddle.float32,
    "tf32": paddle.float32,
    "bf16": paddle.bfloat16,
    "fp16": paddle.float16,
}


class Backend(ABC):
    """How a device computes the layers of the network. Methods add operators to the current program.

    Products are in `dtype`, that of `precision`. So are what they read and what they return; all else is float32. With
    `feeds_masks`, dropout masks are fed; otherwise the device samples them. With `feeds_ahead`, micro-batches are
    copied to the device before their turn. `flash` tells whether attention is FlashAttention, which reads the lengths
    of the sequences instead of padded layouts.
    """

    feeds_masks: bool
    feeds_ahead: bool
    flash: bool = False
    place: Any

    def __init__(self, precision: Precision, impl: ImplSettings):
        self.precision, self.impl = precision, impl
        self.dtype = DTYPES[precision]

    def low(self, x: Any) -> Any:
        """Cast to the dtype of products."""
        return cast(x, self.dtype)

    def declare_feeds(self, feeds: Sequence[Feed]) -> dict[str, Any]:
        """Declare feeds in the current program; return their Values by name."""
        return declare_inputs(feeds)

    def pack(self, feed: Mapping[str, np.ndarray], names: Set[str]) -> dict[str, np.ndarray]:
        """Return the arrays that a program is fed, which reads those of `feed` named `names`."""
        return {name: array for name, array in feed.items() if name in names}

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        """Return x [rows, in] times weight [in, out] plus bias [out]."""
        return self.product(self.low(x), self.low(weight), self.low(bias), transposed=False)

    def vocabulary_scores(self, x: Any, table: Any, bias: Any) -> Any:
        """Return x [rows, hidden] times table [vocabulary, hidden] transposed, plus bias [vocabulary]."""
        return self.product(self.low(x), self.low(table), self.low(bias), transposed=True)

    @abstractmethod
    def product(self, x: Any, weight: Any, bias: Any, transposed: bool) -> Any:
        """Return x times weight, or times weight `transposed`, plus bias, all in the dtype of products."""

    @abstractmethod
    def look_up(self, ids: Any, table: Any, small: bool) -> Any:
        """Return the rows `ids` of a table. A `small` one has few rows, each of which many tokens read."""

    @abstractmethod
    def contiguous(self, x: Any) -> Any:
        """Return x in plain memory order, where the device's gradients need it."""

    @abstractmethod
    def attention(self, longest: int) -> AttentionFunction:
        """Return attention for sequences of up to `longest` tokens."""

    @abstractmethod
    def gradient_targets(
        self, main: Any, groups: Sequence[ParameterGroup], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the Values that gradients are taken of: of the parameters `values`, or of whole groups; by name.

        The forward pass of the program is complete; the gradients are not yet there.
        """

    def host_flag(self, flag: Any) -> Any:
        """Return a flag in the memory of the host, from which operators read it without waiting again."""
        return flag

    @abstractmethod
    def finish(self, main: Any, encoder: Set[int]) -> None:
        """Improve a program whose gradients are complete. `encoder` are the ids of the encoder's operators."""
