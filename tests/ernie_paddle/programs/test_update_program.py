"""The update program against AdamW in numpy, and the variables that it must not change."""

from typing import Any

import numpy as np
import pytest
from paddle.base import executor
from programs_support import MakeBackend, feed_for, joined, ones, random_batch, random_labels, session_for, session_of

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.keyed_random import generator
from ernie_paddle.programs.task_program import build_task_program
from ernie_paddle.programs.update_program import accumulators
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.settings import AdamSettings, ImplSettings
from ernie_paddle.task import HeadNetwork, Labels, Task, TokenClassificationObjective

ADAM = AdamSettings(beta1=0.9, beta2=0.98, epsilon=1e-3, weight_decay=0.1, clip_norm=0.5)
# Of the encoder with one layer and the masked-LM head. Release (optimization.py): no decay of LayerNorm and biases.
DECAYED = {
    *("word_embedding", "pos_embedding", "sent_embedding", "task_embedding", "mask_lm_trans_fc.w_0"),
    *(f"encoder_layer_0_multi_head_att_{part}_fc.w_0" for part in ("query", "key", "value", "output")),
    *(f"encoder_layer_0_ffn_fc_{part}.w_0" for part in (0, 1)),
}
NOT_DECAYED = {
    *("pre_encoder_layer_norm_scale", "pre_encoder_layer_norm_bias", "mask_lm_trans_fc.b_0", "mask_lm_out_fc.b_0"),
    *("mask_lm_trans_layer_norm_scale", "mask_lm_trans_layer_norm_bias"),
    *(f"encoder_layer_0_multi_head_att_{part}_fc.b_0" for part in ("query", "key", "value", "output")),
    *(f"encoder_layer_0_ffn_fc_{part}.b_0" for part in (0, 1)),
    *(f"encoder_layer_0_post_{part}_layer_norm_{kind}" for part in ("att", "ffn") for kind in ("scale", "bias")),
}


@pytest.mark.parametrize("clip_norm", [0.5, None])
def test_updates_equal_adamw_in_numpy(clip_norm: float | None, make_backend: MakeBackend) -> None:
    """Covers norms above and below the clipping norm, scaled and unscaled losses, and a skipped step."""
    adam = ADAM.model_copy(update={"clip_norm": clip_norm})
    session, (masking,) = session_for(adam, "knowledge_masking", backend=make_backend())
    session.parameter_shapes([masking])
    random = np.random.default_rng(0)  # biases that are not 0, so that decay would be seen
    values = {name: value + random.normal(0, 0.3, value.shape) for name, value in session.parameters().items()}
    assert values.keys() == DECAYED | NOT_DECAYED
    session.set_parameters({name: value.astype(np.float32) for name, value in values.items()})
    first, second = ({name: np.zeros(value.shape) for name, value in values.items()} for _ in range(2))
    norms, number = [], 0
    for loss_weight, scale in ((1.0, 1.0), (1e-3, 1.0), (np.inf, 8.0), (1.0, 8.0), (1e-3, 0.25), (1.0, 1.0)):
        rate = 0.01 * (number + 1)
        session.set_loss_scale(scale)
        weights = np.array([loss_weight], np.float32)
        session.add_gradients((masking,), feed_for(session, (masking,), number), weights, number)
        collected = {name: session.variables.get(name + GRADIENT_SUFFIX).astype(np.float64) for name in values}
        assert session.update((masking,), rate) == np.isfinite(loss_weight)
        if np.isfinite(loss_weight):
            number += 1
            norms.append(np.sqrt(sum((gradient**2).sum() for gradient in collected.values())) / scale)
            np.testing.assert_allclose(session.gradient_norm(), norms[-1], rtol=1e-5)
        for name, gradient in collected.items() if np.isfinite(loss_weight) else ():
            gradient = gradient / scale * (min(1.0, clip_norm / norms[-1]) if clip_norm else 1.0)
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.98 * second[name] + 0.02 * gradient**2
            step = first[name] / (1 - 0.9**number) / (np.sqrt(second[name] / (1 - 0.98**number)) + 1e-3)
            values[name] = values[name] * (1 - rate * (0.1 if name in DECAYED else 0.0)) - rate * step
        for name, value in values.items():
            np.testing.assert_allclose(session.variables.get(name), value, rtol=1e-5, atol=2e-6, err_msg=name)
    state = session.optimizer_state()
    assert {value.shape for name, value in state.items() if "_pow_acc" in name} == {(1,)} and len(state) == 4 * len(
        values
    )
    assert [norm > 0.5 for norm in norms] == [True, False, True, False, True] and min(norms) < 0.05


def test_heads_of_absent_tasks_do_not_move(make_backend: MakeBackend) -> None:
    session, (masking, distance) = session_for(ADAM, "knowledge_masking", "sentence_distance", backend=make_backend())
    for task in (masking, distance):
        session.add_gradients((task,), feed_for(session, (task,), 0), ones(1), 1)
        session.update((task,), 0.01)
    head = ["mask_lm_trans_fc.w_0", "mask_lm_out_fc.b_0"]
    names = [*head, *(a for name in head for a in accumulators(name, (1,), ADAM))]
    before = {name: session.variables.get(name) for name in names}
    encoder = session.variables.get("encoder_layer_0_ffn_fc_0.w_0")
    session.add_gradients((distance,), feed_for(session, (distance,), 1), ones(1), 2)
    session.update((distance,), 0.01)
    assert all((session.variables.get(name) == before[name]).all() for name in names)
    assert (session.variables.get("encoder_layer_0_ffn_fc_0.w_0") != encoder).any()


@pytest.mark.parametrize("recompute", [False, True])
def test_heads_alone_are_trained_with_the_same_gradients_and_without_a_backward_pass_through_the_encoder(
    recompute: bool, make_backend: MakeBackend
) -> None:
    """Clipping is left out: the norm is that of the heads alone."""
    names = ("knowledge_masking", "sentence_distance")
    adam, backend = ADAM.model_copy(update={"clip_norm": None}), make_backend(impl=ImplSettings(recompute=recompute))
    session, tasks = session_for(adam, *names, backend=backend)
    session.parameter_shapes(tasks)
    begin = session.parameters()
    feed, weights = feed_for(session, tasks, 0), ones(2)
    session.add_gradients(tasks, feed, weights, 1)
    of_all = {name: session.variables.get(name + GRADIENT_SUFFIX) for name in begin}
    session.discard_step()
    session.train_heads_only(True)
    session.add_gradients(tasks, feed, weights, 1)
    heads = {name for name in begin if name.startswith(("mask_lm_", "pooled_fc", "sentence_distance_fc"))}
    for name in heads:
        np.testing.assert_allclose(session.variables.get(name + GRADIENT_SUFFIX), of_all[name], rtol=1e-4, atol=1e-6)
    assert session.update(tasks, 0.01)
    moved = {name for name, value in session.parameters().items() if value.tobytes() != begin[name].tobytes()}
    assert moved == heads
    expected = np.sqrt(sum((of_all[name].astype(np.float64) ** 2).sum() for name in heads))
    np.testing.assert_allclose(session.gradient_norm(), expected, rtol=1e-4)
    session.train_heads_only(False)
    session.add_gradients(tasks, feed, weights, 2)
    assert session.update(tasks, 0.01)
    assert all((value != begin[name]).any() for name, value in session.parameters().items())
    programs = [build_task_program(session.config, tasks, True, backend, heads_only=alone) for alone in (True, False)]
    of_heads, of_both = ([operator.name() for operator in program.main.global_block().ops] for program in programs)
    assert of_heads.count("pd_op.matmul_grad") == 4 < of_both.count("pd_op.matmul_grad")


def test_two_micro_batches_of_unequal_labels_equal_one_batch_of_both(make_backend: MakeBackend) -> None:
    session, (capital,) = session_for(ADAM, "capitalization", dropout=0.0, backend=make_backend())
    random = np.random.default_rng(0)
    parts = [random_batch(random, [8, 8]), random_batch(random, [3, 8])]
    labels = [random_labels(random, capital, part) for part in parts]
    blocks = {name: np.concatenate([part.columns[name] for part in parts]) for name in ("input_ids", "sentence_ids")}
    whole = Batch.of(SampleBlock(np.array([8, 8, 3, 8]), blocks), np.arange(4))
    classes = np.concatenate([part_labels.classes for part_labels in labels])
    both = Labels(np.arange(whole.tokens), {"capitalization_fc_label": classes}, classes)
    weight = np.array([1 / len(classes)], np.float32)
    session.add_gradients((capital,), joined(whole, {capital.name: both}), weight, 1)
    together = {name: session.variables.get(name + GRADIENT_SUFFIX) for name in session.parameters()}
    session.update((capital,), 0.0)
    for part, part_labels in zip(parts, labels, strict=True):
        session.add_gradients((capital,), joined(part, {capital.name: part_labels}), weight, 1)
    for name, gradient in together.items():
        np.testing.assert_allclose(session.variables.get(name + GRADIENT_SUFFIX), gradient, rtol=1e-4, atol=1e-6)


def test_a_second_program_does_not_initialise_shared_parameters_again() -> None:
    session, (masking, distance) = session_for(ADAM, "knowledge_masking", "sentence_distance")
    session.add_gradients((masking,), feed_for(session, (masking,), 0), ones(1), 1)
    session.update((masking,), 0.05)
    before = session.parameters()
    session.add_gradients((distance,), feed_for(session, (distance,), 0), ones(1), 1)
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
    names = [name for name, value in left.items() if value.ndim == 2]
    assert len({left[name].tobytes() for name in names}) == len(names)


def test_weights_are_normal_cut_at_two_deviations_biases_0_and_scales_of_norms_1() -> None:
    """BERT's truncated normal: cut so, the deviation is 0.8796 of the normal's; bounds of four standard errors."""
    session, tasks = session_for(ADAM, "knowledge_masking", "sentence_distance")
    session.parameter_shapes(tasks)
    weights = []
    for name, value in session.parameters().items():
        if value.ndim == 1:
            assert (value == (1 if name.endswith("_scale") else 0)).all(), name
        else:
            weights.append(value.ravel())
            normal = generator(3, "parameter", name).standard_normal(value.shape, dtype=np.float32)
            assert (value == 0.5 * normal)[np.abs(normal) <= 2].all(), "of seed, purpose and name"
    values = np.concatenate(weights) / 0.5
    assert 1.9 < np.abs(values).max() <= 2
    error = 1 / np.sqrt(2 * values.size)
    assert abs(values.std() - 0.8796) < 4 * error and abs(values.mean()) < 4 * error * np.sqrt(2)


def test_losses_are_summed_until_they_are_taken_but_for_those_that_are_not_finite(make_backend: MakeBackend) -> None:
    session, (distance,) = session_for(ADAM, "sentence_distance", dropout=0.0, backend=make_backend())
    feed = feed_for(session, (distance,), 0)
    once = session.evaluate(distance, feed)
    for _ in range(2):
        session.add_gradients((distance,), feed, ones(1), 1)
    np.testing.assert_allclose(session.take_metrics()["sentence_distance"], 2 * once, rtol=1e-5)
    session.add_gradients((distance,), feed, ones(1), 1)
    session.set_parameters({"pooled_fc.b_0": np.full(8, np.nan, np.float32)})
    assert np.isnan(session.evaluate(distance, feed)[0])
    session.add_gradients((distance,), feed, ones(1), 1)
    np.testing.assert_allclose(session.take_metrics()["sentence_distance"][0], once[0], rtol=1e-5)


def test_dropout_differs_from_key_to_key_and_repeats_with_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPUs are fed the masks; GPUs sample them with a seeded generator."""
    session, (distance,) = session_for(ADAM, "sentence_distance", dropout=0.5)
    feed = feed_for(session, (distance,), 0)
    losses, seeds = [], list[int]()
    monkeypatch.setattr("paddle.seed", seeds.append)
    for key in (1, 2, 1):
        session.add_gradients((distance,), feed, ones(1), key)
        losses.append(session.take_metrics()["sentence_distance"][0])
    assert losses[0] == losses[2] != losses[1] and seeds == [1, 2, 1]
    assert (session.evaluate(distance, feed) == session.evaluate(distance, feed)).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda feed: feed | {"sentence_distance_fc_label": feed["sentence_distance_fc_label"][:, None]},
        lambda feed: feed | {"input_ids": feed["input_ids"].astype(np.int32)},
        lambda feed: feed | {"unheard_of": np.zeros(1)},
        lambda feed: {name: value for name, value in feed.items() if name != "sentence_ids"},
    ],
)
def test_feeds_of_another_shape_dtype_or_name_are_refused(change) -> None:  # type: ignore[no-untyped-def]
    session, (distance,) = session_for(ADAM, "sentence_distance")
    with pytest.raises(ValueError, match="declared"):
        session.add_gradients((distance,), change(feed_for(session, (distance,), 0)), ones(1), 1)


class TwoLayers(TokenClassificationObjective):
    heads = ("case_hidden", "case_fc")

    def logits(self, network: HeadNetwork, outputs: Any) -> Any:
        return network.token_logits(network.hidden_layer(outputs, 8, "case_hidden"), self.head, 2)


def test_no_task_s_name_gives_a_group_the_name_of_another() -> None:
    session, objective = session_of(), TwoLayers(("no", "yes"), "capitalization", "case_fc")
    program = build_task_program(session.config, [Task("encoder", 1, objective)], True, session.backend)
    names = [group.name for group in program.groups]
    assert len(set(names)) == len(names)
    assert {spec.name for group in program.groups for spec in group.specs} >= {"case_hidden.w_0", "case_fc.w_0"}


def test_programs_of_many_tasks_in_turn_are_prepared_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor keeps eight programs ready; three tasks have nine: training, update and evaluation."""
    prepared: list[object] = []
    original = executor._ExecutorCache._get_pir_program_and_executor

    def counted(self: object, cached: object) -> object:
        prepared.append(cached)
        return original(self, cached)

    monkeypatch.setattr(executor._ExecutorCache, "_get_pir_program_and_executor", counted)
    names = ("knowledge_masking", "capitalization", "token_document_relation")
    session, tasks = session_for(AdamSettings(), *names)
    for _ in range(3):
        for task in tasks:
            feed = feed_for(session, (task,), seed=1)
            session.add_gradients((task,), feed, ones(1), 1)
            session.update((task,), 0.01)
            session.evaluate(task, feed)
    assert len(prepared) == 3 * len(names)
