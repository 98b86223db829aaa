"""Dynamic loss scaling, and skipped steps."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.settings import Precision
from ernie_paddle.training.loss_scale import LossScale
from ernie_paddle.training.run import save, start
from ernie_paddle.training.trainer import Trainer


def after_all(head_outputs: list[bool], precision: Precision = "fp16") -> LossScale:
    scale = LossScale.initial(precision)
    for finite in head_outputs:
        scale = scale.after(finite, precision)
    return scale


def test_the_scale_doubles_with_the_101st_finite_step_in_a_row() -> None:
    """The release begins with 102400 and compares strictly."""
    assert after_all([True] * 100).value == 102400
    assert after_all([True] * 101).value == 204800
    assert after_all([True] * 60 + [False] + [True] * 60).value == 102400
    assert after_all([True] * 202).value == 409600
    assert after_all([True, False] + [True] * 100).value == 102400 != after_all([True, False] + [True] * 101).value


def test_the_scale_shrinks_with_the_third_non_finite_step_in_a_row_down_to_a_floor() -> None:
    assert after_all([False] * 2).value == 102400
    assert after_all([False] * 3).value == pytest.approx(81920)
    assert after_all([False, False, True] * 9).value == 102400
    assert after_all([False] * 6).value == pytest.approx(65536)
    assert after_all([False] * 1000).value == 1
    assert after_all([False, True, False]).skipped_steps == 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_without_fp16_the_scale_stays_1(precision: Precision) -> None:
    assert after_all([True] * 300 + [False] * 5, precision).value == 1.0


def spoil(trainer: Trainer, name: str) -> None:
    value = trainer.session.parameters()[name]
    trainer.session.set_parameters({name: np.full_like(value, np.inf)})


def test_gradients_that_are_not_finite_stop_an_fp32_run_and_change_nothing(toy_trainer: Callable[..., Trainer]) -> None:
    trainer = toy_trainer()
    steps = trainer.steps()
    for _ in range(3):
        next(steps)
    spoil(trainer, "encoder_layer_1_ffn_fc_1.w_0")
    before = trainer.session.parameters() | trainer.session.optimizer_state()
    with pytest.raises(
        UserError, match=r"step 4, stage 1: the gradients of \w+ are not finite.*training samples.*\d+, "
    ):
        next(steps)
    after = trainer.session.parameters() | trainer.session.optimizer_state()
    assert [name for name in before if before[name].tobytes() != after[name].tobytes()] == []


@pytest.fixture
def idle_trainer(toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trainer]:
    """Return a function that makes a trainer that computes nothing; its gradients are `finite` or not."""
    monkeypatch.setattr("ernie_paddle.programs.devices.check_precision", lambda *_: None)

    def make(precision: Precision, finite: bool) -> Trainer:
        trainer = toy_trainer(
            train={"batch_tokens": 512, "precision": precision, "learning_rate": {"peak": 0.01}},
            plan={"tasks": {"sentence_distance": {"steps": 110}}},
        )
        monkeypatch.setattr(trainer.session, "add_gradients", lambda *_: None)
        monkeypatch.setattr(trainer.session, "update", lambda *_: finite)
        return trainer

    return make


@pytest.mark.parametrize(("precision", "patience"), [("fp32", 0), ("bf16", 10), ("fp16", 100)])
def test_a_limited_number_of_steps_in_a_row_is_skipped_before_a_run_fails(
    idle_trainer: Callable[..., Trainer], precision: Precision, patience: int
) -> None:
    trainer, done = idle_trainer(precision, finite=False), 0
    with pytest.raises(UserError, match=rf"step {patience + 1}, .* {patience + 1} times in a row"):
        for done, step in enumerate(trainer.steps(), 1):
            assert step.loss_scale.skipped_steps == done
    assert done == patience


@pytest.mark.parametrize(("finite", "steps", "scale"), [(True, 101, 204800), (False, 3, 81920)])
def test_programs_get_the_scale_as_it_changes(
    idle_trainer: Callable[..., Trainer], finite: bool, steps: int, scale: float
) -> None:
    trainer = idle_trainer("fp16", finite)
    for number, step in enumerate(islice(trainer.steps(), steps), 1):
        found = trainer.session.variables.get("loss_scale").tolist()
        assert found == [step.loss_scale.value] == pytest.approx([scale if number == steps else 102400])
    assert idle_trainer("fp16", True).session.variables.get("loss_scale").tolist() == [102400]


def test_a_checkpoint_keeps_the_scale(toy_trainer: Callable[..., Trainer], tmp_path: Path) -> None:
    trainer = toy_trainer()
    next(trainer.steps())
    trainer.progress.loss_scale = LossScale(4.0, 7, 5, 0)
    save(trainer, tmp_path, {})
    resumed = toy_trainer()
    start(resumed, {}, tmp_path / "step_1")
    assert resumed.progress.loss_scale == LossScale(4.0, 7, 5, 0)
    assert resumed.session.variables.get("loss_scale").tolist() == [4.0]
