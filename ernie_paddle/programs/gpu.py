"""GPUs, and a stand-in that runs the programs of a GPU on the CPU."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import paddle
from paddle.incubate.nn.functional import fused_linear
from paddle.nn import functional as F
from paddle.nn.functional.flash_attention import flash_attn_unpadded

from ernie_paddle.data.feeds import PACKED_FEEDS, Feed
from ernie_paddle.programs.attention import AttentionFunction, AttentionInputs, padded_attention
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.building import cast, declare_inputs, declare_parameter
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.programs.parameter_groups import ParameterGroup
from ernie_paddle.settings import ImplSettings, Precision

_PACKED = frozenset(name for names in PACKED_FEEDS.values() for name in names)
VOCABULARY_MULTIPLE = 64  # tensor cores need aligned rows
NEVER = -10000.0  # the score of an entry that pads the vocabulary; safe in float16


class Gpu(Backend):
    """A GPU. The parameters of a group are pieces of one vector, which is cast once.

    FlashAttention needs bf16 or fp16. Its dropout uses the device's generator, which is seeded for every micro-batch.
    """

    feeds_masks, feeds_ahead = False, True

    def __init__(self, precision: Precision, impl: ImplSettings, place: Any, flash: bool):
        super().__init__(precision, impl)
        self.place, self.flash = place, flash
        paddle.set_flags({"FLAGS_use_mkldnn": False})  # oneDNN's kernels would be taken for what stays on the CPU
        self._set_up_device()

    def _set_up_device(self) -> None:
        paddle.base.core.set_cublas_switch(self.precision == "tf32")  # on by default, also for fp32
        if self.impl.repeatable:  # sums in a fixed order, instead of atomic additions
            paddle.set_flags({"FLAGS_embedding_deterministic": 1, "FLAGS_cudnn_deterministic": True})

    def declare_feeds(self, feeds: Sequence[Feed]) -> dict[str, Any]:
        values = declare_inputs([feed for feed in feeds if feed.name not in _PACKED])
        for pack, names in PACKED_FEEDS.items():
            together = declare_inputs([Feed(pack, (len(names), -1), "int32")])[pack]
            values |= {name: together[i] for i, name in enumerate(names)}
        return values

    def pack(self, feed: Mapping[str, np.ndarray], names: Set[str]) -> dict[str, np.ndarray]:
        packs = {
            pack: np.stack([feed[member] for member in members]).astype(np.int32)
            for pack, members in PACKED_FEEDS.items()
            if not names.isdisjoint(members)
        }
        return super().pack(feed, names - _PACKED) | packs

    def vocabulary_scores(self, x: Any, table: Any, bias: Any) -> Any:
        size, hidden = table.shape
        padding = -size % VOCABULARY_MULTIPLE
        table, bias = self.low(table), self.low(bias)
        if padding:
            table = paddle.concat([table, paddle.zeros([padding, hidden], self.dtype)])
            bias = paddle.concat([bias, paddle.full([padding], NEVER, self.dtype)])
        return super().vocabulary_scores(x, table, bias)

    def product(self, x: Any, weight: Any, bias: Any, transposed: bool) -> Any:
        return fused_linear(x, weight, bias, transpose_weight=transposed)

    def look_up(self, ids: Any, table: Any, small: bool) -> Any:
        if not small:
            return F.embedding(ids, table)
        # The gradient of a look-up would add to the same few rows from all tokens, one after the other.
        return paddle.matmul(F.one_hot(ids, table.shape[0]), table)

    def contiguous(self, x: Any) -> Any:
        return x

    def attention(self, longest: int) -> AttentionFunction:
        if not self.flash:
            return padded_attention(self.contiguous)
        return lambda inputs, rate, dropout: self._flash_attention(inputs, longest, rate, dropout)

    def gradient_targets(
        self, main: Any, groups: Sequence[ParameterGroup], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {group.name: self._joined(main, group, values) for group in groups}

    def host_flag(self, flag: Any) -> Any:
        return paddle._C_ops.memcpy_d2h(flag, 0)  # each AdamW operator would copy it and wait

    def finish(self, main: Any, encoder: Set[int]) -> None:
        """Leave the program as it is: Paddle's operators for GPUs need no help."""

    def _joined(self, main: Any, group: ParameterGroup, values: Mapping[str, Any]) -> Any:
        """Let the program read the pieces of a group's vector instead of its parameters; return the vector."""
        if len(group.specs) == 1:
            return values[group.name]
        block = main.global_block()
        paddle.pir.set_insertion_point(block.ops[0])
        vector = declare_parameter(group.spec)
        paddle.pir.set_insertion_point_after(vector.get_defining_op())
        casts = {spec.name: _casts(values[spec.name], self.dtype) for spec in group.specs}
        is_low = any(casts.values())
        pieces = paddle.split(cast(vector, self.dtype if is_low else paddle.float32), group.sizes)
        for spec, piece in zip(group.specs, pieces, strict=True):
            piece = paddle.reshape(piece, list(spec.shape))
            for operator in casts[spec.name]:
                operator.result(0).replace_all_uses_with(piece)
                block.remove_op(operator)
            parameter = values[spec.name]
            if parameter.all_used_ops():
                parameter.replace_all_uses_with(cast(piece, paddle.float32))
            block.remove_op(parameter.get_defining_op())
        paddle.pir.reset_insertion_point_to_end()
        return vector

    def _flash_attention(self, inputs: AttentionInputs, longest: int, rate: float, dropout: Dropout) -> Any:
        """Return contexts [selected, hidden] of sequences of up to `longest` tokens."""
        queries, keys, values = (
            paddle.reshape(x, [-1, inputs.heads, inputs.head_size])
            for x in (inputs.queries, inputs.keys, inputs.values)
        )
        contexts, _ = flash_attn_unpadded(
            queries,
            keys,
            values,
            inputs.query_layout.cu_seqlens,
            inputs.key_layout.cu_seqlens,
            longest,
            longest,
            inputs.head_size**-0.5,
            rate if dropout.active else 0.0,
            training=dropout.active,
        )
        dropout.keep(contexts)
        return paddle.reshape(contexts, [-1, inputs.heads * inputs.head_size])


def _casts(value: Any, dtype: Any) -> list[Any]:
    """Return the operators that cast a Value to a dtype."""
    return [op for op in value.all_used_ops() if op.name() == "pd_op.cast" and op.result(0).dtype == dtype]


class GpuStandIn(Gpu):
    """Programs of a GPU on the CPU, for tests; without oneDNN, which lacks some of their operators.

    It replaces what only a GPU computes: the fused product and FlashAttention's kernel.
    """

    def __init__(self, precision: Precision, impl: ImplSettings, flash: bool):
        super().__init__(precision, impl, paddle.CPUPlace(), flash)

    def _set_up_device(self) -> None:
        """Set nothing: the CPU has no such flags."""

    def product(self, x: Any, weight: Any, bias: Any, transposed: bool) -> Any:
        return paddle.matmul(x, weight, transpose_y=transposed) + bias

    def _flash_attention(self, inputs: AttentionInputs, longest: int, rate: float, dropout: Dropout) -> Any:
        """Compute what FlashAttention's kernel for packed sequences is documented to compute."""
        own, others = (
            _sequence_of(x, layout.cu_seqlens)
            for x, layout in ((inputs.queries, inputs.query_layout), (inputs.keys, inputs.key_layout))
        )
        apart = cast(paddle.unsqueeze(own, 1) != paddle.unsqueeze(others, 0), paddle.float32)
        queries, keys, values = (
            paddle.transpose(paddle.reshape(cast(x, paddle.float32), [-1, inputs.heads, inputs.head_size]), [1, 0, 2])
            for x in (inputs.queries, inputs.keys, inputs.values)
        )
        scores = paddle.matmul(queries, keys, transpose_y=True) * inputs.head_size**-0.5 - apart * 1e9
        contexts = paddle.matmul(dropout(F.softmax(scores), rate, ()), values)
        together = paddle.reshape(paddle.transpose(contexts, [1, 0, 2]), [-1, inputs.heads * inputs.head_size])
        return cast(together, inputs.queries.dtype)


def _sequence_of(tokens: Any, cu_seqlens: Any) -> Any:
    """Return the number of the sequence of each token, int32 [tokens]."""
    numbers = paddle.arange(0, paddle.shape(tokens)[0], dtype="int32")
    return paddle.sum(paddle.cast(paddle.unsqueeze(numbers, 1) >= paddle.unsqueeze(cu_seqlens, 0), "int32"), axis=1)
