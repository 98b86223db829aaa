"""The learning rate over the steps."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.settings import LearningRateSettings
from ernie_paddle.training.learning_rate import check_peaks, learning_rate
from ernie_paddle.training.stage_plan import StagePlan, planned_steps


def rates(*stages: int, **settings: Any) -> np.ndarray:
    """The learning rates of all steps of a plan whose stages have these numbers of steps."""
    checked = check_settings(LearningRateSettings, {"peak": 2.0, **settings}, "learning_rate")
    plan = StagePlan(("task",), tuple((steps,) for steps in stages))
    check_peaks(checked, plan)
    return np.array([learning_rate(checked, plan, step) for step in planned_steps(plan)])


def test_warmup_rises_by_equal_steps_to_the_peak() -> None:
    for schedule in ("linear_warmup_decay", "noam_decay", "constant", "warmup_stable_decay"):
        found = rates(100, schedule=schedule, warmup_steps=20, decay_steps=30 * (schedule == "warmup_stable_decay"))
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


WSD = "warmup_stable_decay"


@pytest.mark.parametrize(
    ("total", "warmup", "decay"), [(100, 20, 30), (10, 0, 10), (10, 9, 1), (1, 0, 1), (50, 40, 30)]
)
def test_wsd_has_no_jump_and_falls_by_equal_steps_to_just_above_zero(total: int, warmup: int, decay: int) -> None:
    found = rates(total, schedule=WSD, warmup_steps=warmup, decay_steps=decay)
    assert (found > 0).all() and (found <= 2.0).all()
    assert found[-1] == pytest.approx(min(2.0 / decay, 2.0 * total / max(warmup, 1)))
    largest = max(2.0 / decay, 2.0 / max(warmup, 1))
    assert all(abs(after - before) <= largest + 1e-12 for before, after in pairwise(found))
    if warmup + decay <= total:
        assert (found[max(warmup - 1, 0) : total - decay + 1] == 2.0).all()
        rising, falling = warmup - 1 if warmup else 0, decay - 1
        assert found.sum() == pytest.approx(2.0 * (total - rising / 2 - falling / 2)), "the area of a trapezoid"


def test_wsd_before_its_decay_does_not_depend_on_the_number_of_steps() -> None:
    """Therefore a run can go on from its stable phase."""
    short, long = (rates(total, schedule=WSD, warmup_steps=10, decay_steps=20) for total in (60, 500))
    assert (short[:40] == long[:40]).all()
    assert (short[-20:] == long[-20:]).all()


def test_a_share_of_the_steps_decays_as_their_number_does() -> None:
    assert (rates(199, schedule=WSD, decay_share=0.1) == rates(199, schedule=WSD, decay_steps=19)).all()


def test_each_stage_has_its_own_peak_with_and_without_restart() -> None:
    stages, peaks = (30, 50), [2.0, 0.5]
    for restart in ("never", "stage"):
        settings = {"schedule": WSD, "warmup_steps": 8, "decay_share": 0.2, "restart": restart}
        high, low = (rates(*stages, peak=peak, **settings) for peak in peaks)
        assert rates(*stages, peak=peaks, **settings) == pytest.approx(np.append(high[:30], low[30:]))
    alone = [rates(steps, peak=peak, **settings) for steps, peak in zip(stages, peaks, strict=True)]
    assert (rates(*stages, peak=peaks, **settings) == np.concatenate(alone)).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"schedule": WSD}, "needs decay_steps or decay_share"),
        ({"schedule": WSD, "decay_steps": 3, "decay_share": 0.1}, "not both"),
        ({"schedule": WSD, "warmup_share": 0.5, "decay_share": 0.6}, "together more than 1"),
        ({"decay_steps": 3}, "not for linear_warmup_decay"),
        ({"peak": [1.0, 0.0]}, "peak.1': expected more than 0"),
        ({"peak": []}, "2 stages"),
        ({"peak": [1.0, 2.0, 3.0]}, "3 values for a run of 2 stages"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        rates(5, 5, **settings)
