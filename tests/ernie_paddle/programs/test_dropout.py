"""Masks of dropout."""

import numpy as np
import pytest

from ernie_paddle.programs.dropout import Mask
from ernie_paddle.task import Feed


@pytest.mark.parametrize("tokens", [1, 7, 64])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_masks_have_their_rate_and_depend_on_the_key_alone(tokens: int, rate: float) -> None:
    mask = Mask(Feed("dropout_3", (-1, 501), "uint8"), (("input_ids", 0), 501), rate)
    feed, longer = ({"input_ids": np.zeros(count, np.int64)} for count in (tokens, tokens + 3))
    drawn = mask.draw(feed, key=1)
    assert drawn.shape == (tokens, 501) and drawn.dtype == np.uint8 and set(np.unique(drawn)) == {0, 1}
    assert abs(drawn.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / drawn.size)
    assert (mask.draw(longer, key=1)[:tokens] == drawn).all()
    assert (mask.draw(feed, key=2) != drawn).any()
    assert (Mask(Feed("dropout_4", (-1, 501), "uint8"), mask.sizes, rate).draw(feed, key=1) != drawn).any()
