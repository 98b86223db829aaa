"""Dropout with masks that numpy draws: on CPU some ten times as fast as Paddle's own operator, and keyed."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import paddle
from paddle.nn import functional as F

from ernie_paddle.keyed_random import generator
from ernie_paddle.programs.building import declare_inputs
from ernie_paddle.task import Feed

Size = int | tuple[str, int]  # a number, or a feed's name and one of its axes
_DRAWS = 1 << 16


@dataclass(frozen=True)
class Mask:
    """A feed of 1 where a value is kept and 0 where it is dropped."""

    feed: Feed
    sizes: tuple[Size, ...]
    rate: float

    def draw(self, feeds: dict[str, np.ndarray], key: int) -> np.ndarray:
        """A mask that fits the other feeds, uint8; `key` and the feed's name determine it."""
        shape = tuple(size if isinstance(size, int) else feeds[size[0]].shape[size[1]] for size in self.sizes)
        count = prod(shape)
        words = generator(key, self.feed.name).bit_generator.random_raw(-(-count // 4))
        kept = words.view(np.uint16)[:count] < round((1 - self.rate) * _DRAWS)
        return kept.view(np.uint8).reshape(shape)


class Dropout:
    """The dropout of one program. On CPU `masks` are what it is to be fed; a GPU draws its own."""

    def __init__(self, active: bool, keep_masks: bool):
        """`keep_masks`: the layers will be computed twice; what they draw is drawn once, and `kept`."""
        self.active, self.keep_masks = active, keep_masks
        self.masks: list[Mask] = []
        self.kept: list[Any] = []

    def __call__(self, x: Any, rate: float, sizes: tuple[Size, ...]) -> Any:
        """Drop values of x, and scale those that stay by 1 / (1 - rate). `sizes` is x's shape."""
        if not self.active or not rate:
            return x
        if not paddle.is_compiled_with_cuda():
            feed = Feed(f"dropout_{len(self.masks)}", tuple(n if isinstance(n, int) else -1 for n in sizes), "uint8")
            self.masks.append(Mask(feed, sizes, rate))
            mask = declare_inputs([feed])[feed.name]
        elif self.keep_masks:
            mask = paddle.cast(paddle.bernoulli(paddle.full_like(x, 1 - rate, "float32")), "uint8")
            self.keep(mask)
        else:
            return F.dropout(x, rate, training=True, mode="upscale_in_train")
        return x * (paddle.cast(mask, x.dtype) * (1 / (1 - rate)))

    def keep(self, drawn: Any) -> None:
        """Note a Value that random draws of the device went into: it is not to be computed again."""
        if self.keep_masks:
            self.kept.append(drawn)
