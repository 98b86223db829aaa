"""The learning rate over the steps."""

import numpy as np
import pytest

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.settings import LearningRateSettings
from ernie_paddle.training.learning_rate import learning_rate


def rates(total: int, **settings: object) -> np.ndarray:
    checked = check_settings(LearningRateSettings, {"peak": 2.0, **settings}, "learning_rate")
    return np.array([learning_rate(checked, step, total) for step in range(1, total + 1)])


def test_warmup_rises_by_equal_steps_to_the_peak() -> None:
    for schedule in ("linear_warmup_decay", "noam_decay", "constant"):
        found = rates(100, schedule=schedule, warmup_steps=20)
        assert np.allclose(found[:19], 2.0 * np.arange(1, 20) / 20)


def test_linear_decay_counts_from_the_first_step_and_ends_just_above_zero() -> None:
    """As in the release, whose polynomial decay is peak * (1 - step / total): it drops where the warm-up ends."""
    found = rates(100, warmup_steps=20)
    assert np.allclose(found[19:], 2.0 * (1 - np.arange(19, 100) / 100))
    assert found.argmax() == 18 and found[19] == pytest.approx(2.0 * 0.81)


def test_linear_rises_from_zero_and_falls_from_the_peak_to_zero_by_equal_steps() -> None:
    found = rates(100, schedule="linear", warmup_steps=20)
    assert found[0] == 0 and found.argmax() == 20 and found[20] == 2.0
    assert np.allclose(np.diff(found[:21]), 2.0 / 20) and np.allclose(np.diff(found[20:]), -2.0 / 80)
    assert np.allclose(rates(50, schedule="linear"), 2.0 * np.arange(50, 0, -1) / 50)


@pytest.mark.slow
@pytest.mark.parametrize(("total", "share"), [(1000, 0.1), (337, 0.06), (9, 0.1), (1, 0.5)])
def test_linear_is_paddlenlp_s(total: int, share: float) -> None:
    transformers = pytest.importorskip("paddlenlp.transformers")
    theirs = transformers.LinearDecayWithWarmup(2.0, total, share)
    expected = []
    for _ in range(total):
        expected.append(theirs.get_lr())
        theirs.step()
    assert np.allclose(rates(total, schedule="linear", warmup_share=share), expected, rtol=1e-12)


def test_noam_falls_with_the_root_of_the_steps_from_its_peak_at_the_end_of_warmup() -> None:
    found = rates(400, schedule="noam_decay", warmup_steps=100)
    assert found.argmax() == 99 and found[99] == pytest.approx(2.0)
    assert found[399] == pytest.approx(1.0)


def test_constant_stays_at_the_peak() -> None:
    assert (rates(50, schedule="constant", warmup_steps=5)[5:] == 2.0).all()


def test_a_share_of_the_steps_warms_up_as_their_number_does() -> None:
    assert (rates(200, warmup_share=0.1) == rates(200, warmup_steps=20)).all()
    assert (rates(199, warmup_share=0.1) == rates(199, warmup_steps=19)).all(), "rounded down"
    with pytest.raises(UserError, match="not both"):
        rates(10, warmup_share=0.1, warmup_steps=3)
