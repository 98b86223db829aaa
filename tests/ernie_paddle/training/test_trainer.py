"""The stepping loop: companions, accumulation, evaluation."""

from collections.abc import Callable

import numpy as np
import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.training.plan import planned_updates
from ernie_paddle.training.trainer import Trainer

DISTANCE_LAST = {
    "tasks": {name: {"updates": 6} for name in ("knowledge_masking", "capitalization", "sentence_distance")}
}
STRAIGHT = {"peak": 0.01, "schedule": "constant"}


def combinations(trainer: Trainer) -> list[tuple[int, tuple[str, ...]]]:
    updates = planned_updates(trainer.plan)
    return [(update.stage, tuple(task.name for task in trainer.combination(update))) for update in updates]


def test_masking_and_the_active_token_tasks_ride_along(toy_trainer: Callable[..., Trainer]) -> None:
    found = set(combinations(toy_trainer(plan=DISTANCE_LAST)))
    assert found == {
        (0, ("knowledge_masking",)),
        (1, ("knowledge_masking", "capitalization")),
        (1, ("capitalization", "knowledge_masking")),
        (2, ("knowledge_masking", "capitalization")),
        (2, ("capitalization", "knowledge_masking")),
        (2, ("sentence_distance", "knowledge_masking", "capitalization")),
    }


def test_companions_are_the_plan_s_choice(toy_trainer: Callable[..., Trainer]) -> None:
    alone = toy_trainer(plan={**DISTANCE_LAST, "companions": []})
    assert {names for _, names in combinations(alone)} == {
        ("knowledge_masking",),
        ("capitalization",),
        ("sentence_distance",),
    }
    with pytest.raises(UserError, match="not a token-level task"):
        toy_trainer(plan={**DISTANCE_LAST, "companions": ["sentence_distance"]})


def test_a_task_not_in_the_sequential_stage_rides_along_only_if_it_always_does(
    toy_trainer: Callable[..., Trainer],
) -> None:
    found = set(combinations(toy_trainer(plan={**DISTANCE_LAST, "strategy": "sequential"})))
    assert found == {
        (0, ("knowledge_masking",)),
        (1, ("capitalization", "knowledge_masking")),
        (2, ("sentence_distance", "knowledge_masking")),
    }


def test_accumulated_micro_batches_give_the_update_of_one_large_batch(
    toy_trainer: Callable[..., Trainer], toy_model_without_dropout: dict[str, str]
) -> None:
    """One task, a whole epoch an update: cut into batches of 8 samples or taken at once, in float tolerance."""
    ends = []
    for train in ({"batch_samples": 8, "accumulation": 12}, {"batch_samples": 96}):
        trainer = toy_trainer(
            model=toy_model_without_dropout,
            plan={"tasks": {"sentence_distance": {"updates": 3}}},
            train={**train, "learning_rate": STRAIGHT},
        )
        assert trainer.updates().__next__().samples == 96
        ends.append(trainer.session.parameters())
    for name, value in ends[0].items():
        if not name.endswith("key_fc.b_0"):  # its gradient is zero but for rounding, which Adam blows up
            assert np.allclose(value, ends[1][name], atol=2e-4), name


def test_weights_scale_the_gradients_of_a_task(
    toy_trainer: Callable[..., Trainer], toy_model_without_dropout: dict[str, str]
) -> None:
    norms = []
    for weight in (1.0, 0.5):
        tasks = {"sentence_distance": {"updates": 1, "weight": weight}}
        trainer = toy_trainer(model=toy_model_without_dropout, plan={"tasks": tasks})
        next(trainer.updates())
        norms.append(trainer.session.gradient_norm())
    assert norms[1] == pytest.approx(norms[0] / 2, rel=1e-5)


def test_evaluation_does_not_depend_on_the_batch_size(toy_trainer: Callable[..., Trainer]) -> None:
    scores = []
    for batch in ({"batch_tokens": 64}, {"batch_samples": 32}):
        trainer = toy_trainer(train={**batch, "learning_rate": STRAIGHT, "validation_samples": 20})
        scores.append({name: trainer.evaluate(name) for name in trainer.tasks})
    for name, score in scores[0].items():
        other = scores[1][name]
        assert score.labels == other.labels > 0 and score.accuracy == other.accuracy
        assert score.loss == pytest.approx(other.loss, rel=1e-5)
        assert score.prior_loss == other.prior_loss < np.log(trainer.tasks[name].objective.classes(60)) + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["knowledge_masking", "capitalization", "sentence_reordering", "sentence_distance"])
def test_each_task_learns_a_pattern_and_scores_it_on_held_out_samples(
    toy_trainer: Callable[..., Trainer], toy_model_without_dropout: dict[str, str], name: str
) -> None:
    """Labels follow from the tokens (see `toy_block`); masked tokens are random, so only their frequency is learnt."""
    trainer = toy_trainer(
        model=toy_model_without_dropout,
        plan={"tasks": {name: {"updates": 120}}},
        train={"batch_tokens": 1024, "learning_rate": {"peak": 0.01, "warmup_updates": 10}},
    )
    before = trainer.evaluate(name)
    for _ in trainer.updates():
        pass
    after = trainer.evaluate(name)
    if name == "knowledge_masking":
        assert after.loss < before.loss
    else:
        assert after.accuracy > 0.9 and after.loss < 0.6 * before.loss
