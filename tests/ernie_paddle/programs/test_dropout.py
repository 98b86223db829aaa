"""Dropout masks."""

import numpy as np
import paddle
import pytest

from ernie_paddle.data.feeds import Feed
from ernie_paddle.programs.building import new_program
from ernie_paddle.programs.dropout import Dropout, Mask

ROWS, COLUMNS = 300, 40


@pytest.mark.parametrize("tokens", [1, 7, 64])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_masks_have_their_rate_and_depend_on_the_key_alone(tokens: int, rate: float) -> None:
    mask = Mask(Feed("dropout_3", (-1, 501), "uint8"), (("input_ids", 0), 501), rate)
    feed, longer = ({"input_ids": np.zeros(count, np.int64)} for count in (tokens, tokens + 3))
    sampled = mask.sample(feed, key=1)
    assert sampled.shape == (tokens, 501) and sampled.dtype == np.uint8 and set(np.unique(sampled)) == {0, 1}
    assert abs(sampled.mean() - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / sampled.size)
    assert (mask.sample(longer, key=1)[:tokens] == sampled).all()
    assert (mask.sample(feed, key=2) != sampled).any()
    assert (Mask(Feed("dropout_4", (-1, 501), "uint8"), mask.sizes, rate).sample(feed, key=1) != sampled).any()


@pytest.mark.parametrize("rate", [0.1, 0.25])
@pytest.mark.parametrize("kind", ["cpu", "gpu", "gpu recomputed"])
def test_values_are_dropped_at_the_rate_and_those_that_stay_keep_the_mean(kind: str, rate: float) -> None:
    """Checks values and gradients of two independent dropouts; the operators for GPUs also run on CPUs."""
    data = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    with new_program() as main:
        x = paddle.static.data("x", [-1, COLUMNS], "float32")
        x.stop_gradient = False
        dropout = Dropout(active=True, fed=kind == "cpu", keep_masks=kind == "gpu recomputed")
        outputs = [dropout(x, rate, (("x", 0), COLUMNS)) for _ in range(2)]
        gradients = [paddle.static.gradients([paddle.sum(y)], [x])[0] for y in outputs]
    assert len(dropout.masks) == (2 if kind == "cpu" else 0)
    assert len(dropout.kept) == (2 if kind == "gpu recomputed" else 0), "what must not be sampled again"
    paddle.seed(3)
    feed = {"x": data}
    feed |= {mask.feed.name: mask.sample(feed, key=5) for mask in dropout.masks}
    executor = paddle.static.Executor(paddle.CPUPlace())
    found = executor.run(main, feed=feed, fetch_list=[*outputs, *gradients])
    kept = [y != 0 for y in found[:2]]
    for y, gradient, stays in zip(found[:2], found[2:], kept, strict=True):
        np.testing.assert_allclose(y, np.where(stays, data / (1 - rate), 0), rtol=1e-6)
        np.testing.assert_allclose(gradient, np.where(stays, 1 / (1 - rate), 0), rtol=1e-6)
        assert abs(stays.mean() - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / stays.size)
    both, expected = (kept[0] & kept[1]).mean(), (1 - rate) ** 2
    assert abs(both - expected) < 4 * np.sqrt(expected * (1 - expected) / data.size)


@pytest.mark.parametrize("fed", [False, True])
def test_nothing_is_dropped_outside_training_or_at_rate_0(fed: bool) -> None:
    with new_program():
        x = paddle.static.data("x", [-1, COLUMNS], "float32")
        for dropout, rate in ((Dropout(False, fed, True), 0.5), (Dropout(True, fed, True), 0.0)):
            assert dropout(x, rate, (("x", 0), COLUMNS)) is x and not dropout.masks and not dropout.kept
