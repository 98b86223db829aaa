"""Attention between tokens that stand end to end, each with those of its own sample."""

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


class Cells:
    """A rectangle: the number in each cell [rows, width], -1 where there is nothing.

    `nothing` [rows, width] is so low where there is nothing that added to scores it rules these cells out.
    """

    def __init__(self, numbers: Any):
        shape = paddle.shape(numbers)
        self._shape = [shape[0], shape[1]]
        self._index = paddle.reshape(paddle.clip(numbers, min=0), [-1])
        self.nothing = paddle.cast(numbers < 0, "float32") * -MASKED_SCORE

    def rectangle(self, x: Any, *sizes: int) -> Any:
        """Gather rows of x by cell: [n, product of sizes] to [rows, width, *sizes]; empty cells hold some row."""
        shape: list[Any] = [*self._shape, *sizes]
        return paddle.reshape(paddle.gather(x, self._index), shape)


class Layout(Cells):
    """Where some tokens stand in the rectangle of attention: `data.batch.Rectangle` as Values of a program.

    `tokens`, `samples` and `width` are its sizes as those of feeds.
    """

    def __init__(self, token_of_cell: Any, cell_of_token: Any, tokens: Size, samples: Size, width: Size):
        super().__init__(token_of_cell)
        self.tokens, self.samples, self.width = tokens, samples, width
        self._token_of_cell, self._cell_of_token = token_of_cell, cell_of_token
        self.score_bias = paddle.unsqueeze(self.nothing, [1, 2])
        self.ones = column_of_ones(cell_of_token)

    def spread(self, x: Any, heads: int) -> Any:
        """[tokens, hidden] to [samples, heads, width, hidden / heads]; any token where there is none."""
        rectangle = self.rectangle(x, heads, int(x.shape[-1]) // heads)
        return paddle.transpose(rectangle, [0, 2, 1, 3])

    def collect(self, x: Any) -> Any:
        """[samples, heads, width, size] to [tokens, heads * size]."""
        cells = paddle.reshape(paddle.transpose(x, [0, 2, 1, 3]), [-1, int(x.shape[1]) * int(x.shape[3])])
        return paddle.gather(cells, self._cell_of_token)

    def borders(self) -> Any:
        """Where each sample begins among the tokens, and where the last ends, int32 [samples + 1]."""
        counts = paddle.sum(paddle.cast(self._token_of_cell >= 0, "int32"), axis=1, dtype="int32")
        return F.pad(paddle.cumsum(counts, dtype="int32"), [1, 0])


@dataclass(frozen=True)
class Heads:
    """Queries [outputs, hidden], keys and values [tokens, hidden] of one layer, and where they stand."""

    queries: Any
    keys: Any
    values: Any
    of_queries: Layout
    of_keys: Layout
    count: int

    @property
    def size(self) -> int:
        return int(self.queries.shape[-1]) // self.count


AttentionFunction = Callable[[Heads, float, Dropout], Any]


def rectangular_attention(heads: Heads, rate: float, dropout: Dropout) -> Any:
    """Contexts [outputs, hidden], computed in the rectangles."""
    of_queries, of_keys, count = heads.of_queries, heads.of_keys, heads.count
    queries = of_queries.spread(heads.queries * heads.size**-0.5, count)
    scores = paddle.matmul(queries, of_keys.spread(heads.keys, count), transpose_y=True)
    sizes = (of_keys.samples, count, of_queries.width, of_keys.width)
    weights = dropout(F.softmax(scores + of_keys.score_bias), rate, sizes)
    # assign restores the plain layout: oneDNN's gradient of the product is wrong for a transposed one
    return of_queries.collect(paddle.assign(paddle.matmul(weights, of_keys.spread(heads.values, count))))


def flash_attention(longest: int, precision: Precision) -> AttentionFunction:
    """Attention by FlashAttention's kernel for sequences of varying length, for samples of up to `longest` tokens.

    Its dropout draws from the device's generator, which is seeded for every micro-batch. It takes low precision only.
    """
    dtype = {"bf16": paddle.bfloat16, "fp16": paddle.float16, "fp32": paddle.float32}[precision]

    def attention(heads: Heads, rate: float, dropout: Dropout) -> Any:
        queries, keys, values = (
            paddle.cast(paddle.reshape(part, [-1, heads.count, heads.size]), dtype)
            for part in (heads.queries, heads.keys, heads.values)
        )
        contexts, _ = flash_attn_unpadded(
            queries,
            keys,
            values,
            heads.of_queries.borders(),
            heads.of_keys.borders(),
            longest,
            longest,
            heads.size**-0.5,
            rate if dropout.active else 0.0,
            training=dropout.active,
        )
        dropout.keep(contexts)
        return paddle.reshape(contexts, [-1, heads.count * heads.size])

    return attention


def uses_flash(chosen: Attention, precision: Precision) -> bool:
    """Which of the two does `impl.attention` mean here?

    Raises:
        UserError: FlashAttention is asked for where it cannot run.
    """
    fits = (
        precision != "fp32"
        and paddle.is_compiled_with_cuda()
        and paddle.device.cuda.get_device_capability()[0] >= FLASH_CAPABILITY
    )
    if chosen == "flash" and not fits:
        raise UserError("impl.attention: flash needs a GPU of compute capability 8 and train.precision bf16 or fp16")
    return fits and chosen != "rectangles"
