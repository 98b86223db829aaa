"""Attention of packed tokens, each to the tokens of its own sequence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paddle
from paddle.nn import functional as F
from paddle.nn.functional.flash_attention import flash_attn_unpadded

from ernie_paddle.errors import UserError
from ernie_paddle.programs.building import column_of_ones
from ernie_paddle.programs.dropout import Dropout, Size
from ernie_paddle.settings import Attention, Precision

MASKED_SCORE = 10000.0  # what the release subtracts from the scores of padding; safe in float16
FLASH_CAPABILITY = 8


class PaddedGather:
    """Gathers rows by `indices` [rows, width], in which -1 stands for padding.

    `padding_bias` [rows, width] is 0, or at padding so low that softmax gives a score plus the bias no weight.
    """

    def __init__(self, indices: Any):
        shape = paddle.shape(indices)
        self._shape = [shape[0], shape[1]]
        self._index = paddle.reshape(paddle.clip(indices, min=0), [-1])
        self.padding_bias = paddle.cast(indices < 0, "float32") * -MASKED_SCORE

    def gather(self, x: Any, *sizes: int) -> Any:
        """Gather rows of x: [n, product of sizes] to [rows, width, *sizes]. Padding holds an arbitrary row."""
        shape: list[Any] = [*self._shape, *sizes]
        return paddle.reshape(paddle.gather(x, self._index), shape)


class SymbolicLayout(PaddedGather):
    """The padded layout of some tokens: `data.batch.PaddedLayout` as Values of a program.

    `tokens`, `sequences` and `width` are its sizes, as axes of feeds.
    """

    def __init__(self, padded_to_token: Any, token_to_padded: Any, tokens: Size, sequences: Size, width: Size):
        super().__init__(padded_to_token)
        self.tokens, self.sequences, self.width = tokens, sequences, width
        self._padded_to_token, self._token_to_padded = padded_to_token, token_to_padded
        self.score_bias = paddle.unsqueeze(self.padding_bias, [1, 2])
        self.ones = column_of_ones(token_to_padded)

    def pad(self, x: Any, heads: int) -> Any:
        """Pad [tokens, hidden] to [sequences, heads, width, hidden / heads]. Padding holds an arbitrary token."""
        padded = self.gather(x, heads, int(x.shape[-1]) // heads)
        return paddle.transpose(padded, [0, 2, 1, 3])

    def unpad(self, x: Any) -> Any:
        """Unpad [sequences, heads, width, size] to [tokens, heads * size]."""
        positions = paddle.reshape(paddle.transpose(x, [0, 2, 1, 3]), [-1, int(x.shape[1]) * int(x.shape[3])])
        return paddle.gather(positions, self._token_to_padded)

    def cu_seqlens(self) -> Any:
        """Return the cumulative lengths of the sequences in tokens, from 0, int32 [sequences + 1]."""
        counts = paddle.sum(paddle.cast(self._padded_to_token >= 0, "int32"), axis=1, dtype="int32")
        return F.pad(paddle.cumsum(counts, dtype="int32"), [1, 0])


@dataclass(frozen=True)
class AttentionInputs:
    """Queries [selected, hidden], keys and values [tokens, hidden] of one layer, and their layouts."""

    queries: Any
    keys: Any
    values: Any
    query_layout: SymbolicLayout
    key_layout: SymbolicLayout
    heads: int

    @property
    def head_size(self) -> int:
        return int(self.queries.shape[-1]) // self.heads


AttentionFunction = Callable[[AttentionInputs, float, Dropout], Any]


def padded_attention(inputs: AttentionInputs, rate: float, dropout: Dropout) -> Any:
    """Return contexts [selected, hidden], computed in the padded layouts."""
    query_layout, key_layout, heads = inputs.query_layout, inputs.key_layout, inputs.heads
    queries = query_layout.pad(inputs.queries * inputs.head_size**-0.5, heads)
    scores = paddle.matmul(queries, key_layout.pad(inputs.keys, heads), transpose_y=True)
    sizes = (key_layout.sequences, heads, query_layout.width, key_layout.width)
    weights = dropout(F.softmax(scores + key_layout.score_bias), rate, sizes)
    # assign restores the plain memory layout: oneDNN's gradient of the product is wrong for a transposed one
    return query_layout.unpad(paddle.assign(paddle.matmul(weights, key_layout.pad(inputs.values, heads))))


def flash_attention(longest: int, precision: Precision) -> AttentionFunction:
    """Return attention by FlashAttention's kernel for packed sequences, for sequences of up to `longest` tokens.

    The kernel supports bf16 and fp16 only. Its dropout uses the device's generator, which is seeded for every
    micro-batch.
    """
    dtype = {"bf16": paddle.bfloat16, "fp16": paddle.float16, "fp32": paddle.float32}[precision]

    def attention(inputs: AttentionInputs, rate: float, dropout: Dropout) -> Any:
        queries, keys, values = (
            paddle.cast(paddle.reshape(x, [-1, inputs.heads, inputs.head_size]), dtype)
            for x in (inputs.queries, inputs.keys, inputs.values)
        )
        contexts, _ = flash_attn_unpadded(
            queries,
            keys,
            values,
            inputs.query_layout.cu_seqlens(),
            inputs.key_layout.cu_seqlens(),
            longest,
            longest,
            inputs.head_size**-0.5,
            rate if dropout.active else 0.0,
            training=dropout.active,
        )
        dropout.keep(contexts)
        return paddle.reshape(contexts, [-1, inputs.heads * inputs.head_size])

    return attention


def uses_flash(requested: Attention, precision: Precision) -> bool:
    """Resolve `impl.attention` for this device and precision; return whether FlashAttention is used.

    Raises:
        UserError: FlashAttention is requested but cannot run.
    """
    supported = (
        precision != "fp32"
        and paddle.is_compiled_with_cuda()
        and paddle.device.cuda.get_device_capability()[0] >= FLASH_CAPABILITY
    )
    if requested == "flash" and not supported:
        raise UserError("impl.attention: flash needs a GPU of compute capability 8 and train.precision bf16 or fp16")
    return supported and requested != "padded"
