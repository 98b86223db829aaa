"""The training loop: auxiliary tasks, accumulation, evaluation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ranks_support import together, trainers_of_ranks

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.task import Task
from ernie_paddle.testing import write_toy_model
from ernie_paddle.training.evaluation import Score, baseline_scores, score_row
from ernie_paddle.training.stage_plan import planned_steps
from ernie_paddle.training.steps import TaskData
from ernie_paddle.training.trainer import Trainer
from tasks.finetuning.multiple_choice import MultipleChoiceObjective

DISTANCE_LAST = {"tasks": {name: {"steps": 6} for name in ("knowledge_masking", "capitalization", "sentence_distance")}}
LABELS = {"knowledge_masking": "mask_labels"}
STRAIGHT = {"peak": 0.01, "schedule": "constant"}


def combinations(trainer: Trainer) -> list[tuple[int, tuple[str, ...]]]:
    steps = planned_steps(trainer.plan)
    return [(step.stage, tuple(task.name for task in trainer.combination(step))) for step in steps]


def test_masking_and_the_active_token_tasks_are_auxiliary(toy_trainer: Callable[..., Trainer]) -> None:
    found = set(combinations(toy_trainer(plan=DISTANCE_LAST)))
    assert found == {
        (0, ("knowledge_masking",)),
        (1, ("knowledge_masking", "capitalization")),
        (1, ("capitalization", "knowledge_masking")),
        (2, ("knowledge_masking", "capitalization")),
        (2, ("capitalization", "knowledge_masking")),
        (2, ("sentence_distance", "knowledge_masking", "capitalization")),
    }


def test_auxiliary_tasks_are_the_plan_s_choice(toy_trainer: Callable[..., Trainer]) -> None:
    alone = toy_trainer(plan={**DISTANCE_LAST, "auxiliary_tasks": []})
    assert {names for _, names in combinations(alone)} == {
        ("knowledge_masking",),
        ("capitalization",),
        ("sentence_distance",),
    }
    with pytest.raises(UserError, match="not a token-level task"):
        toy_trainer(plan={**DISTANCE_LAST, "auxiliary_tasks": ["sentence_distance"]})


def test_a_task_not_in_the_sequential_stage_is_auxiliary_only_if_it_always_is(
    toy_trainer: Callable[..., Trainer],
) -> None:
    found = set(combinations(toy_trainer(plan={**DISTANCE_LAST, "strategy": "sequential"})))
    assert found == {
        (0, ("knowledge_masking",)),
        (1, ("capitalization", "knowledge_masking")),
        (2, ("sentence_distance", "knowledge_masking")),
    }


def test_accumulated_micro_batches_give_the_gradients_of_one_large_batch(
    toy_trainer: Callable[..., Trainer], toy_model_without_dropout: dict[str, str]
) -> None:
    """A step is an epoch of one task, in micro-batches of 8 samples or in one batch.

    The first moment is a tenth of the gradient; parameters alone would not tell its scale.
    """
    moments = []
    for train in ({"batch_samples": 8, "accumulation": 12}, {"batch_samples": 96}):
        trainer = toy_trainer(
            model=toy_model_without_dropout,
            plan={"tasks": {"sentence_distance": {"steps": 3}}},
            train={**train, "learning_rate": STRAIGHT, "adam": {"clip_norm": None}},
        )
        assert next(trainer.steps()).samples == 96
        state = trainer.session.optimizer_state()
        moments.append({name: value for name, value in state.items() if name.endswith("_moment1_0")})
        norm = np.sqrt(sum((value.astype(np.float64) ** 2).sum() for value in moments[-1].values()))
        assert norm == pytest.approx(trainer.session.gradient_norm() / 10, rel=1e-4)
    for name, value in moments[0].items():
        np.testing.assert_allclose(moments[1][name], value, rtol=1e-3, atol=1e-5 * norm, err_msg=name)


def test_evaluation_does_not_depend_on_the_batch_size(toy_trainer: Callable[..., Trainer]) -> None:
    scores = []
    for batch in ({"batch_tokens": 64}, {"batch_samples": 32}):
        trainer = toy_trainer(train={**batch, "learning_rate": STRAIGHT, "validation_samples": 20})
        scores.append({name: trainer.evaluate(name) for name in trainer.tasks})
    for name, score in scores[0].items():
        other = scores[1][name]
        assert score.labels == other.labels > 0 and score.accuracy == other.accuracy
        assert score.loss == pytest.approx(other.loss, rel=1e-5)
        assert score.unigram_loss == other.unigram_loss < np.log(trainer.tasks[name].objective.classes(60)) + 1e-9


def held_out(trainer: Trainer, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Score, list[dict[str, np.ndarray]]]:
    """Return a score and the feeds, from programs that report a loss of 2 and an accuracy of 3/4 for each label."""
    fed: list[dict[str, np.ndarray]] = []

    def evaluate(task: Task, feed: dict[str, np.ndarray]) -> np.ndarray:
        fed.append(feed)
        labels = (feed[LABELS.get(name, f"{name}_fc_label")] >= 0).sum()
        return np.array([2.0 * labels, 0.75 * labels])

    monkeypatch.setattr(trainer.session, "evaluate", evaluate)
    return trainer.evaluate(name), fed


@pytest.mark.parametrize("name", ["capitalization", "sentence_distance"])
def test_scores_are_means_over_labels_beside_those_of_their_frequencies(
    toy_trainer: Callable[..., Trainer], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, fed = held_out(toy_trainer(), name, monkeypatch)
    labels = np.concatenate([feed[f"{name}_fc_label"] for feed in fed])
    shares = np.array([(labels == label).sum() for label in range(3)]) / (labels >= 0).sum()
    shares = shares[shares > 0]
    assert score.labels == (labels >= 0).sum() and sum((feed["position_ids"] == 0).sum() for feed in fed) == 32
    assert (score.loss, score.accuracy) == pytest.approx((2, 0.75))
    entropy = -(shares * np.log(shares)).sum()
    assert (score.unigram_loss, score.majority_accuracy) == pytest.approx((entropy, shares.max()))


def test_choices_among_any_number_of_sequences_are_scored_without_baselines(
    toy_trainer: Callable[..., Trainer],
) -> None:
    """Samples of 2 to 7 sequences have as many classes, so that no frequency and no uniform guess is one of classes."""
    random, counts, trainer = np.random.default_rng(1), np.arange(2, 8), toy_trainer()
    ids = np.tile([1, 7, 2], counts.sum())
    columns = {"input_ids": ids, "sequence_starts": (ids == 1).astype(int)}
    samples = SampleTable([SampleBlock(counts * 3, columns, {"label": random.integers(0, counts)})])
    trainer.tasks["choice"] = Task("choice", 8, MultipleChoiceObjective())
    trainer.data["choice"] = TaskData(samples, {"": samples}, frozenset())
    score = trainer.evaluate("choice")
    assert score.labels == len(counts) and (score.unigram_loss, score.majority_accuracy) == (None, None)
    assert score.loss == pytest.approx(np.log(counts).mean(), rel=1e-3), "equal sequences have equal scores"
    losses = trainer.uniform_losses()
    assert losses["choice"] is None and losses["sentence_distance"] == pytest.approx(np.log(3))
    shown = score_row({**vars(score), "uniform_loss": losses["choice"]})
    assert [shown[i] for i in (1, 2, 4)] == ["-"] * 3 and shown[0] == f"{score.loss:.3f}" and shown[5] == "6"


@pytest.mark.parametrize(("name", "samples"), [("sentence_distance", 12), ("knowledge_masking", 32)])
def test_the_same_held_out_samples_with_the_same_masks_are_scored_at_any_step_others_with_another_seed(
    toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, name: str, samples: int
) -> None:
    """All 32 samples are scored, so that only masks differ between seeds."""
    train = {"batch_samples": 4, "learning_rate": STRAIGHT, "validation_samples": samples}
    trainer, other = toy_trainer(train=train), toy_trainer(train=train | {"seed": 2})

    def tokens(trainer: Trainer) -> bytes:
        return np.concatenate([feed["input_ids"] for feed in held_out(trainer, name, monkeypatch)[1]]).tobytes()

    found = tokens(trainer)
    trainer.progress.step = 7
    assert tokens(trainer) == found != tokens(other)


@pytest.mark.parametrize("world", [1, 2, 9])
@pytest.mark.parametrize("name", ["capitalization", "sentence_distance"])
def test_scores_of_every_sample_come_in_order_whichever_rank_has_them(
    toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, name: str, world: int
) -> None:
    """The score of a labelled token or sequence is its id, and its loss is 3; two of nine ranks have
    no samples.
    """
    train = {"batch_samples": 5, "learning_rate": STRAIGHT}
    trainers = trainers_of_ranks(lambda: toy_trainer(train=train), monkeypatch, world)

    def scores(task: Task, feed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        labels = (feed[f"{name}_fc_label"] >= 0).sum()
        ids = feed["input_ids"]
        if name == "sentence_distance":
            ids = ids[np.flatnonzero(feed["position_ids"] == 0) + 1]
        return np.array([3.0 * labels, 0.0]), np.stack([ids, -ids], axis=1).astype(np.float32)

    for trainer in trainers:
        monkeypatch.setattr(trainer.session, "scores", scores)
    table = trainers[0].data[name].validation[""]
    for found, loss in together(trainers, lambda trainer: trainer.scores(name, table)):
        assert loss == pytest.approx(3.0) and len(found) == len(table) == 32
        for row, array in enumerate(found):
            ids = table.take(np.array([row])).columns["input_ids"]
            ids = ids[1:2] if name == "sentence_distance" else ids
            assert array.tolist() == [[float(token), -float(token)] for token in ids]


def test_a_score_is_of_the_samples_of_all_ranks(
    toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers = trainers_of_ranks(toy_trainer, monkeypatch, 3)
    expected, _ = held_out(toy_trainer(), "sentence_distance", monkeypatch)
    for score, fed in together(trainers, lambda trainer: held_out(trainer, "sentence_distance", monkeypatch)):
        assert vars(score) == pytest.approx(vars(expected)) and score.labels == 32
        assert sum((feed["position_ids"] == 0).sum() for feed in fed) < 32


def test_the_baselines_have_the_entropy_of_the_classes_and_the_share_of_the_majority_class() -> None:
    assert baseline_scores(np.array([1, 0, 3])) == pytest.approx((0.25 * np.log(4) + 0.75 * np.log(4 / 3), 0.75))
    assert str(baseline_scores(np.array([0, 5]))[0]) == "0.0"  # not -0.0
    assert baseline_scores(np.array([0, 5])) == (0, 1) and baseline_scores(np.zeros(3)) == (0, 0)


def test_a_model_has_room_for_the_vocabulary_or_is_refused(toy_trainer: Callable[..., Trainer], tmp_path: Path) -> None:
    toy_trainer(model={"config": str(write_toy_model(tmp_path / "model.json", 60))})
    with pytest.raises(UserError, match="vocab_size 59 is less than the 60 entries"):
        toy_trainer(model={"config": str(write_toy_model(tmp_path / "model.json", 59))})


def test_a_uniform_guess_has_the_logarithm_of_the_classes_as_loss(toy_trainer: Callable[..., Trainer]) -> None:
    losses = toy_trainer().uniform_losses()
    expected = {"knowledge_masking": 60, "capitalization": 2, "sentence_reordering": 9, "sentence_distance": 3}
    assert losses == pytest.approx({name: np.log(classes) for name, classes in expected.items()})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["knowledge_masking", "capitalization", "sentence_reordering", "sentence_distance"])
def test_each_task_learns_a_pattern_and_scores_it_on_held_out_samples(
    toy_trainer: Callable[..., Trainer], toy_model_without_dropout: dict[str, str], name: str
) -> None:
    """Labels follow from the tokens (see `toy_samples`). Masked tokens are random: only their frequency is learnt."""
    trainer = toy_trainer(
        model=toy_model_without_dropout,
        plan={"tasks": {name: {"steps": 120}}},
        train={"batch_tokens": 1024, "learning_rate": {"peak": 0.01, "warmup_steps": 10}},
    )
    before = trainer.evaluate(name)
    for _ in trainer.steps():
        pass
    after = trainer.evaluate(name)
    if name == "knowledge_masking":
        assert after.loss < before.loss
    else:
        assert after.accuracy > 0.9 and after.loss < 0.6 * before.loss
