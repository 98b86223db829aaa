"""Attention of packed tokens, each to the tokens of its own sequence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paddle
from paddle.nn import functional as F

from ernie_paddle.programs.building import cast
from ernie_paddle.programs.dropout import Dropout, Size

MASKED_SCORE = 10000.0  # what the release subtracts from the scores of padding; safe in float16


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

    def pad(self, x: Any, heads: int) -> Any:
        """Pad [tokens, hidden] to [sequences, heads, width, hidden / heads]. Padding holds an arbitrary token."""
        padded = self.gather(x, heads, int(x.shape[-1]) // heads)
        return paddle.transpose(padded, [0, 2, 1, 3])

    def unpad(self, x: Any) -> Any:
        """Unpad [sequences, heads, width, size] to [tokens, heads * size]."""
        positions = paddle.reshape(paddle.transpose(x, [0, 2, 1, 3]), [-1, int(x.shape[1]) * int(x.shape[3])])
        return paddle.gather(positions, self._token_to_padded)


@dataclass(frozen=True)
class PackedLayout:
    """The layout of packed sequences for FlashAttention.

    `cu_seqlens` int32 [sequences + 1] are the cumulative lengths in tokens, from 0. `tokens` is the number of tokens,
    as an axis of a feed.
    """

    cu_seqlens: Any
    tokens: Size


TokenLayout = SymbolicLayout | PackedLayout


@dataclass(frozen=True)
class AttentionInputs:
    """Queries [selected, hidden], keys and values [tokens, hidden] of one layer, and their layouts of one kind."""

    queries: Any
    keys: Any
    values: Any
    query_layout: Any
    key_layout: Any
    heads: int

    @property
    def head_size(self) -> int:
        return int(self.queries.shape[-1]) // self.heads


AttentionFunction = Callable[[AttentionInputs, float, Dropout], Any]


def padded_attention(contiguous: Callable[[Any], Any]) -> AttentionFunction:
    """Return attention in the padded layouts. `contiguous` gives its argument plain memory order, if that matters."""

    def attention(inputs: AttentionInputs, rate: float, dropout: Dropout) -> Any:
        query_layout, key_layout, heads = inputs.query_layout, inputs.key_layout, inputs.heads
        queries = query_layout.pad(inputs.queries * inputs.head_size**-0.5, heads)
        scores = paddle.matmul(queries, key_layout.pad(inputs.keys, heads), transpose_y=True)
        sizes = (key_layout.sequences, heads, query_layout.width, key_layout.width)
        weights = dropout(F.softmax(cast(scores, paddle.float32) + key_layout.score_bias), rate, sizes)
        values = key_layout.pad(inputs.values, heads)
        return query_layout.unpad(contiguous(paddle.matmul(cast(weights, values.dtype), values)))

    return attention
