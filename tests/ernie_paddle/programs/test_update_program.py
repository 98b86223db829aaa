"""The update program against AdamW written out in numpy, and what it leaves alone."""

import numpy as np
import pytest
from programs_support import feed_for, joined, random_batch, random_labels, session_for

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.programs.task_program import LOSS_WEIGHTS
from ernie_paddle.programs.update_program import accumulators, is_decayed
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Labels

ADAM = AdamSettings(beta1=0.9, beta2=0.98, epsilon=1e-8, weight_decay=0.1, clip_norm=0.5)


def test_updates_equal_adamw_in_numpy() -> None:
    session, (masking,) = session_for(ADAM, "knowledge_masking")
    session.add_gradients((masking,), feed_for(session, (masking,), 0), 1)
    session.update((masking,), 0.0)
    values = {name: value.astype(np.float64) for name, value in session.parameters().items()}
    first = {name: session.variables.get(f"{name}_moment1_0").astype(np.float64) for name in values}
    second = {name: session.variables.get(f"{name}_moment2_0").astype(np.float64) for name in values}
    for number in range(2, 5):
        rate = 0.01 * number
        session.add_gradients((masking,), feed_for(session, (masking,), number), number)
        gradients = {name: session.variables.get(name + GRADIENT_SUFFIX).astype(np.float64) for name in values}
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
        assert norm > ADAM.clip_norm
        session.update((masking,), rate)
        np.testing.assert_allclose(session.gradient_norm(), norm, rtol=1e-4)
        for name, gradient in gradients.items():
            gradient = gradient * ADAM.clip_norm / norm
            first[name] = ADAM.beta1 * first[name] + (1 - ADAM.beta1) * gradient
            second[name] = ADAM.beta2 * second[name] + (1 - ADAM.beta2) * gradient**2
            step = first[name] / (1 - ADAM.beta1**number)
            scale = np.sqrt(second[name] / (1 - ADAM.beta2**number)) + ADAM.epsilon
            decay = ADAM.weight_decay if is_decayed(name) else 0.0
            values[name] = values[name] * (1 - rate * decay) - rate * step / scale
            np.testing.assert_allclose(session.variables.get(name), values[name], rtol=2e-3, atol=2e-4, err_msg=name)
            assert not session.variables.get(name + GRADIENT_SUFFIX).any()


def test_without_a_norm_to_clip_to_gradients_count_in_full() -> None:
    """Adam's first moment after one update is a tenth of the gradient, at any scale of the loss."""
    session, (masking,) = session_for(ADAM.model_copy(update={"clip_norm": None}), "knowledge_masking")
    session.set_loss_scale(8.0)
    session.add_gradients((masking,), feed_for(session, (masking,), 0), 1)
    name = "encoder_layer_0_ffn_fc_0.w_0"
    gradient = session.variables.get(name + GRADIENT_SUFFIX).copy() / 8
    session.update((masking,), 0.01)
    assert session.gradient_norm() > 1
    np.testing.assert_allclose(session.variables.get(f"{name}_moment1_0"), 0.1 * gradient, rtol=1e-4, atol=1e-9)


def test_heads_of_absent_tasks_do_not_move() -> None:
    session, (masking, distance) = session_for(ADAM, "knowledge_masking", "sentence_distance")
    for task in (masking, distance):
        session.add_gradients((task,), feed_for(session, (task,), 0), 1)
        session.update((task,), 0.01)
    head = ["mask_lm_trans_fc.w_0", "mask_lm_out_fc.b_0"]
    names = [*head, *(a for name in head for a in accumulators(name, (1,), ADAM))]
    before = {name: session.variables.get(name) for name in names}
    encoder = session.variables.get("encoder_layer_0_ffn_fc_0.w_0")
    session.add_gradients((distance,), feed_for(session, (distance,), 1), 2)
    session.update((distance,), 0.01)
    assert all((session.variables.get(name) == before[name]).all() for name in names)
    assert (session.variables.get("encoder_layer_0_ffn_fc_0.w_0") != encoder).any()


def test_two_micro_batches_of_unequal_labels_equal_one_batch_of_both() -> None:
    session, (capital,) = session_for(ADAM, "capitalization", dropout=0.0)
    random = np.random.default_rng(0)
    parts = [random_batch(random, [8, 8]), random_batch(random, [3, 8])]
    labels = [random_labels(random, capital, part) for part in parts]
    blocks = {name: np.concatenate([part.columns[name] for part in parts]) for name in ("input_ids", "sentence_ids")}
    whole = Batch.of(SampleBlock(np.array([8, 8, 3, 8]), blocks), np.arange(4))
    classes = np.concatenate([one.classes for one in labels])
    both = Labels(np.arange(whole.tokens), {"capitalization_fc_label": classes}, classes)
    weight = {LOSS_WEIGHTS: np.array([1 / len(classes)], np.float32)}
    session.add_gradients((capital,), joined(whole, {capital.name: both}) | weight, 1)
    together = {name: session.variables.get(name + GRADIENT_SUFFIX) for name in session.parameters()}
    session.update((capital,), 0.0)
    for part, one in zip(parts, labels, strict=True):
        session.add_gradients((capital,), joined(part, {capital.name: one}) | weight, 1)
    for name, gradient in together.items():
        np.testing.assert_allclose(session.variables.get(name + GRADIENT_SUFFIX), gradient, rtol=1e-3, atol=1e-6)


def test_a_second_program_does_not_initialise_shared_parameters_again() -> None:
    session, (masking, distance) = session_for(ADAM, "knowledge_masking", "sentence_distance")
    session.add_gradients((masking,), feed_for(session, (masking,), 0), 1)
    session.update((masking,), 0.05)
    before = session.parameters()
    session.add_gradients((distance,), feed_for(session, (distance,), 0), 1)
    after = session.parameters()
    assert all((before[name] == after[name]).all() for name in before)
    assert "sentence_distance_fc.w_0" in after


def test_initial_parameters_depend_on_seed_and_name_only() -> None:
    one, (masking, distance) = session_for(ADAM, "knowledge_masking", "sentence_distance")
    one.parameter_shapes([masking, distance])
    other, _ = session_for(ADAM)
    other.parameter_shapes([distance, masking])
    third, _ = session_for(ADAM, seed=9)
    third.parameter_shapes([masking])
    left, right = one.parameters(), other.parameters()
    assert left.keys() == right.keys()
    assert all((left[name] == right[name]).all() for name in left)
    assert (third.parameters()["word_embedding"] != left["word_embedding"]).any()
    assert np.abs(left["word_embedding"]).max() <= 2 * one.config.initializer_range


def test_dropout_differs_from_key_to_key_and_repeats_with_the_same() -> None:
    session, (distance,) = session_for(ADAM, "sentence_distance", dropout=0.5)
    feed = feed_for(session, (distance,), 0)
    losses = []
    for key in (1, 2, 1):
        session.add_gradients((distance,), feed, key)
        losses.append(session.take_metrics()["sentence_distance"][0])
    assert losses[0] == losses[2] != losses[1]
    assert (
        session.evaluate(distance, without_weights(feed)) == session.evaluate(distance, without_weights(feed))
    ).all()


def without_weights(feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value for name, value in feed.items() if name != LOSS_WEIGHTS}


@pytest.mark.parametrize(
    "change",
    [
        lambda feed: feed | {"sentence_distance_fc_label": feed["sentence_distance_fc_label"][:, None]},
        lambda feed: feed | {"input_ids": feed["input_ids"].astype(np.int32)},
        lambda feed: feed | {"unheard_of": np.zeros(1)},
        lambda feed: {name: value for name, value in feed.items() if name != "sentence_ids"},
    ],
)
def test_feeds_of_another_rank_dtype_or_name_are_refused(change) -> None:  # type: ignore[no-untyped-def]
    session, (distance,) = session_for(ADAM, "sentence_distance")
    with pytest.raises(ValueError, match="declared"):
        session.add_gradients((distance,), change(feed_for(session, (distance,), 0)), 1)
