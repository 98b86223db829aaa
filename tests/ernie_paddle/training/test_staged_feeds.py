"""Training on devices that are fed ahead: the same as on the CPU, also where runs stop, fail and go on."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from programs_support import MakeBackend, cpu, gpu, gpu_with_flash

from ernie_paddle.training import trainer as training
from ernie_paddle.training.trainer import Trainer

PLAN = {"tasks": {"capitalization": {"steps": 2}, "sentence_distance": {"steps": 2}}}
TRAIN = {
    "adam": {"epsilon": 1e-3},  # so that rounding of gradients that are 0, as of the keys' biases, moves nothing
    "batch_tokens": 128,
    "accumulation": 2,
    "learning_rate": {"peak": 0.01, "schedule": "constant"},
    "validation_samples": 8,
}


@pytest.fixture
def trained(
    toy_trainer: Callable[..., Trainer],
    toy_model_without_dropout: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[Any, dict[str, np.ndarray]]]:
    """A function that trains with a backend; it returns what is logged and the parameters."""

    def train(make: MakeBackend, run: Callable[[Trainer], Iterator[Any]]) -> tuple[list[Any], dict[str, np.ndarray]]:
        monkeypatch.setattr(training, "choose_backend", lambda precision, impl: make(impl, precision))
        trainer = toy_trainer(model=toy_model_without_dropout, plan=PLAN, train=TRAIN)
        logged = list(run(trainer))
        assert trainer.progress.step == trainer.plan.total
        return logged, trainer.session.parameters()

    return train


def straight(trainer: Trainer) -> Iterator[Any]:
    for step in trainer.steps():
        yield trainer.session.take_metrics()[step.planned.task]


def with_interruptions(trainer: Trainer) -> Iterator[Any]:
    """Stop and evaluate after each step."""
    while trainer.progress.step < trainer.plan.total:
        for step in trainer.steps(lambda: True):
            assert step.stops
            yield trainer.session.take_metrics()[step.planned.task]
        trainer.evaluate("sentence_distance")


def with_failures(trainer: Trainer) -> Iterator[Any]:
    """Fail in each step between its two micro-batches, then take it again."""
    add_gradients, calls = trainer.session.add_gradients, 0

    def fail_at_times(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls % 4 == 2:  # of each step: one micro-batch, a failure, two micro-batches
            raise RuntimeError("the device failed")
        add_gradients(*arguments)

    trainer.session.add_gradients = fail_at_times  # type: ignore[method-assign]
    while trainer.progress.step < trainer.plan.total:
        steps = trainer.steps()
        with pytest.raises(RuntimeError, match="the device failed"):
            next(steps)
        trainer.session.take_metrics()
        for step in trainer.steps(lambda: True):
            yield trainer.session.take_metrics()[step.planned.task]


@pytest.mark.parametrize(
    ("make", "run"),
    [(gpu_with_flash, straight), (gpu, with_interruptions), (gpu, with_failures), (cpu, with_failures)],
    ids=lambda function: function.__name__,
)
def test_losses_and_parameters_are_those_of_a_straight_run_on_the_cpu(
    make: MakeBackend, run: Callable[[Trainer], Iterator[Any]], trained: Callable[..., Any]
) -> None:
    (expected, parameters), (found, others) = trained(cpu, straight), trained(make, run)
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-4)
    assert parameters.keys() == others.keys()
    for name, value in parameters.items():
        np.testing.assert_allclose(others[name], value, rtol=1e-3, atol=1e-6, err_msg=name)
