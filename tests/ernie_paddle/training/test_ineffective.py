"""Settings that cannot have an effect are reported."""

import re
from dataclasses import replace
from typing import Any

import pytest

from ernie_paddle.config import check_settings
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.training.ineffective import without_effect
from ernie_paddle.training.learning_rate import scheduled
from ernie_paddle.training.stage_plan import StagePlan

PLAN = StagePlan(("one", "two"), ((30, 0), (5, 10)))


def warnings(impl: dict[str, int] | None = None, **rate: Any) -> list[str]:
    train = check_settings(TrainSettings, {"batch_samples": 8, "learning_rate": {"peak": 0.001, **rate}}, "train")
    return without_effect(train, check_settings(ImplSettings, impl or {}, "impl"), PLAN, world=1)


@pytest.mark.parametrize("schedule", ["linear_warmup_decay", "linear", "noam_decay", "constant"])
def test_a_warm_up_longer_than_the_run_names_both_and_the_highest_rate(schedule: str) -> None:
    assert warnings(schedule=schedule, warmup_steps=45) == []
    (warning,) = warnings(schedule=schedule, warmup_steps=46)
    assert "46 is more than the 45 steps of the run" in warning
    settings = check_settings(TrainSettings, {"batch_samples": 8, "learning_rate": {"peak": 0.001}}, "train")
    rate = settings.learning_rate.model_copy(update={"schedule": schedule, "warmup_steps": 46})
    highest = max(scheduled(rate, 0.001, step, 45) for step in range(1, 46))
    found = re.search(r"reaches (\S+), not 0.001", warning)
    assert found and float(found.group(1)) == pytest.approx(highest, rel=1e-2)


def test_where_stages_warm_up_each_short_one_is_named() -> None:
    assert warnings(restart="stage", warmup_steps=15) == []
    (warning,) = warnings(restart="stage", warmup_steps=20)
    assert "20 is more than the 15 steps of stage 2" in warning and "reaches 0.00075" in warning
    assert len(warnings(restart="stage", warmup_steps=31)) == 2
    (warning,) = warnings(restart="stage", warmup_steps=20, peak=[0.001, 0.002])
    assert "reaches 0.0015, not 0.002" in warning


def test_a_warm_up_and_a_decay_that_overlap_are_named() -> None:
    wsd = {"schedule": "warmup_stable_decay", "warmup_steps": 10}
    assert warnings(**wsd, decay_steps=35) == warnings(**wsd, restart="stage", decay_steps=5) == []
    (warning,) = warnings(**wsd, decay_steps=36)
    assert "10 warm-up steps and 36 decay steps are more than the 45 steps of the run" in warning
    (warning,) = warnings(**wsd, restart="stage", decay_steps=6)
    assert "15 steps of stage 2" in warning


def test_a_share_always_ends() -> None:
    assert warnings(warmup_share=0.99) == warnings(restart="stage", warmup_share=0.99) == []


def test_intervals_longer_than_the_run_are_said_if_they_were_chosen() -> None:
    assert warnings({}) == warnings({"logging_steps": 45, "save_steps": 45}) == []
    log, save = warnings({"logging_steps": 46, "save_steps": 1000})
    assert "impl.logging_steps 46" in log and "45 steps" in log
    assert "impl.save_steps 1,000" in save and "45 steps" in save


def test_stages_that_were_run_before_are_not_warned_of() -> None:
    rate = {"peak": 0.001, "restart": "stage", "warmup_steps": 20}
    train = check_settings(TrainSettings, {"batch_samples": 8, "learning_rate": rate}, "train")
    impl = check_settings(ImplSettings, {"logging_steps": 76, "save_steps": 75}, "impl")
    joined = StagePlan(PLAN.tasks, (*PLAN.matrix[::-1], (20, 10)), earlier=2)
    (warning,) = without_effect(train, impl, joined, world=1)
    assert "impl.logging_steps 76 is more than the 30 steps" in warning, "but step 75 is saved"
    of_all = without_effect(train, impl, replace(joined, earlier=0), world=1)
    assert "20 is more than the 15 steps of stage 1" in of_all[0] and "more than the 75 steps" in of_all[1]


def test_one_process_sums_no_gradients() -> None:
    tree = {"batch_samples": 8, "gradient_sums": "bf16", "learning_rate": {"peak": 0.001}}
    train, impl = check_settings(TrainSettings, tree, "train"), ImplSettings()
    assert without_effect(train, impl, PLAN, world=2) == []
    (warning,) = without_effect(train, impl, PLAN, world=1)
    assert "train.gradient_sums bf16 has no effect" in warning
