"""The encoder and its gradients against independent computations."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from programs_support import MakeBackend, cpu, feed_for, joined, ones, random_batch, random_labels, session_of, task_of

from ernie_paddle.data.batch import Batch
from ernie_paddle.finetuning_task import Signature
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.recomputation import Segment, recompute_layers
from ernie_paddle.programs.task_program import build_task_program
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import ImplSettings
from ernie_paddle.task import Labels, Task

Drop = Callable[[int, int, np.ndarray], np.ndarray]  # the dropout of a number, of a sample (-1: the head's)


def all_stay(number: int, sample: int, x: np.ndarray) -> np.ndarray:
    return x


def numpy_loss(
    values: dict[str, np.ndarray],
    config: ErnieConfig,
    task_id: int,
    task: Task,
    batch: Batch,
    labels: Labels,
    drop: Drop = all_stay,
) -> float:
    """Return the summed loss of a task, with the release's encoder in float64, sample by sample."""
    p = {name: value.astype(np.float64) for name, value in values.items()}
    starts = batch.first_tokens[1:]
    samples = zip(*(np.split(batch.columns[n], starts) for n in ("input_ids", "sentence_ids")), strict=True)
    outputs = [
        numpy_encode(p, config, task_id, ids, sentence_ids, i, drop) for i, (ids, sentence_ids) in enumerate(samples)
    ]
    total, x = 0.0, np.concatenate(outputs)[labels.selected]
    if task.name == "knowledge_masking":
        hidden = activation(x @ p["mask_lm_trans_fc.w_0"] + p["mask_lm_trans_fc.b_0"], config.hidden_act)
        hidden = layer_norm(hidden, p, "mask_lm_trans_layer_norm")
        logits = hidden @ p["word_embedding"].T + p["mask_lm_out_fc.b_0"]
    elif task.objective.level == "sentence":
        pooled = np.tanh(np.stack([x[0] for x in outputs]) @ p["pooled_fc.w_0"] + p["pooled_fc.b_0"])
        logits = head(drop(-1, -1, pooled), p, f"{task.name}_fc")
    else:
        logits = head(drop(-1, -1, x), p, f"{task.name}_fc")
    for row, label in zip(logits, labels.classes, strict=True):
        if label >= 0:
            total += np.log(np.exp(row - row.max()).sum()) + row.max() - row[label]
    return total


def numpy_encode(
    p: dict[str, np.ndarray],
    config: ErnieConfig,
    task_id: int,
    ids: np.ndarray,
    sentence_ids: np.ndarray,
    sample: int,
    drop: Drop,
) -> np.ndarray:
    x = p["word_embedding"][ids] + p["sent_embedding"][sentence_ids] + p["pos_embedding"][: len(ids)]
    if config.use_task_id:
        x = x + p["task_embedding"][task_id]
    x = drop(0, sample, layer_norm(x, p, "pre_encoder_layer_norm"))
    size = config.hidden_size // config.num_attention_heads
    for i in range(config.num_hidden_layers):
        name = f"encoder_layer_{i}"
        q, k, v = (
            x @ p[f"{name}_multi_head_att_{part}_fc.w_0"] + p[f"{name}_multi_head_att_{part}_fc.b_0"]
            for part in ("query", "key", "value")
        )
        parts = [slice(start, start + size) for start in range(0, config.hidden_size, size)]
        scores = np.stack([q[:, part] @ k[:, part].T / np.sqrt(size) for part in parts])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = drop(3 * i + 1, sample, weights / weights.sum(axis=-1, keepdims=True))
        context = np.concatenate([one @ v[:, part] for one, part in zip(weights, parts, strict=True)], axis=1)
        context = context @ p[f"{name}_multi_head_att_output_fc.w_0"] + p[f"{name}_multi_head_att_output_fc.b_0"]
        x = layer_norm(x + drop(3 * i + 2, sample, context), p, f"{name}_post_att_layer_norm")
        inner = activation(x @ p[f"{name}_ffn_fc_0.w_0"] + p[f"{name}_ffn_fc_0.b_0"], config.hidden_act)
        outer = inner @ p[f"{name}_ffn_fc_1.w_0"] + p[f"{name}_ffn_fc_1.b_0"]
        x = layer_norm(x + drop(3 * i + 3, sample, outer), p, f"{name}_post_ffn_layer_norm")
    return x


def head(x: np.ndarray, p: dict[str, np.ndarray], name: str) -> np.ndarray:
    return x @ p[f"{name}.w_0"] + p[f"{name}.b_0"]


def layer_norm(x: np.ndarray, p: dict[str, np.ndarray], name: str) -> np.ndarray:
    centered = x - x.mean(axis=-1, keepdims=True)
    return (
        centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-5) * p[f"{name}_scale"] + p[f"{name}_bias"]
    )


def activation(x: np.ndarray, kind: str) -> np.ndarray:
    from math import erf

    return x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))) if kind == "gelu" else np.maximum(x, 0)


@pytest.mark.parametrize("name", ["knowledge_masking", "capitalization", "sentence_distance"])
@pytest.mark.parametrize("sizes", [{}, {"hidden_act": "relu"}, {"use_task_id": True}])
def test_the_loss_equals_an_encoder_written_out_in_numpy(
    name: str, sizes: dict[str, Any], make_backend: MakeBackend
) -> None:
    session, task = session_of(make_backend(), **sizes), task_of(name)
    session.parameter_shapes([task])
    noisy = {n: v + np.random.default_rng(1).normal(0, 0.3, v.shape) for n, v in session.parameters().items()}
    session.set_parameters({n: v.astype(np.float32) for n, v in noisy.items()})
    # equal numbers of samples and tokens may hide confused axes
    for lengths in ([1], [5], [1] * 5, [5] * 5, [8, 3, 1, 12], [2, 9]):
        random = np.random.default_rng(0)
        batch = random_batch(random, lengths)
        labels = random_labels(random, task, batch)
        labels.classes[-1] = -1
        expected = numpy_loss(session.parameters(), session.config, task.task_id, task, batch, labels)
        found = session.evaluate(task, joined(batch, {task.name: labels}))[0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["knowledge_masking", "capitalization", "sentence_distance"])
def test_the_loss_in_training_equals_numpys_with_the_masks_of_its_key(name: str) -> None:
    """Of the release: after the embedding's norm, on weights of attention, on both sub-layers' outputs, and before the
    heads of classes; with the rate of attention on its weights alone.
    """
    rates: dict[str, Any] = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.4}
    session, task, random = session_of(**rates), task_of(name), np.random.default_rng(0)
    batch = random_batch(random, [6, 1, 9, 3])
    labels = random_labels(random, task, batch)
    feed = joined(batch, {name: labels})
    session.set_loss_scale(8.0)  # neither of the two changes what is said of losses
    session.add_gradients((task,), feed, np.array([0.25], np.float32), dropout_key=5)
    sampled = [
        mask.sample(feed, key=5) for mask in build_task_program(session.config, [task], True, session.backend).masks
    ]
    layers = session.config.num_hidden_layers
    assert len(sampled) == 1 + 3 * layers + (name != "knowledge_masking")
    # the last layer computes only these
    read = np.isin(np.arange(batch.tokens), np.append(labels.selected, batch.first_tokens))

    def drop(number: int, sample: int, x: np.ndarray) -> np.ndarray:
        mask, stays = sampled[number], np.ones(x.shape)
        if sample < 0:
            return x * mask / 0.8
        begin, length = batch.first_tokens[sample], batch.lengths[sample]
        computed = read if number > 3 * (layers - 1) else np.ones(batch.tokens, bool)
        own = computed[begin : begin + length]
        if number % 3 == 1:
            stays[:, own] = mask[sample, :, : own.sum(), :length]
            return x * stays / 0.6
        stays[own] = mask[computed[:begin].sum() :][: own.sum()]
        return x * stays / 0.8

    expected = numpy_loss(session.parameters(), session.config, task.task_id, task, batch, labels, drop)
    np.testing.assert_allclose(session.take_metrics()[name][0], expected, rtol=1e-5)


def test_squared_errors_are_summed_and_numbers_at_most_near_count_as_right(make_backend: MakeBackend) -> None:
    session, signature = session_of(make_backend()), Signature(task="regression", max_length=12)
    task = Task("regression", 0, load_plugins().finetuning_tasks.get("regression").objective(signature))
    batch = random_batch(np.random.default_rng(0), [5, 3, 2, 4])
    apart = np.array([0.25, -0.45, 0.75, -2.0], np.float32)

    def feed(numbers: np.ndarray) -> dict[str, np.ndarray]:
        labels = Labels(batch.first_tokens, {"cls_out_label": numbers}, np.zeros(4, np.int64))
        return joined(batch, {task.name: labels})

    _, numbers = session.scores(task, feed(np.zeros(4, np.float32)))
    wanted = numbers[:, 0] + apart
    np.testing.assert_allclose(session.evaluate(task, feed(wanted)), [(apart**2).sum(), 2], rtol=1e-5)
    session.add_gradients((task,), feed(wanted), ones(1), 1)
    np.testing.assert_allclose(session.variables.get("cls_out.b_0" + GRADIENT_SUFFIX), [-2 * apart.sum()], rtol=1e-4)


COMBINATIONS = [
    ("knowledge_masking",),
    ("sentence_distance", "knowledge_masking", "capitalization"),
    ("capitalization",),
]


@pytest.mark.parametrize("impl", [ImplSettings(), ImplSettings(recompute=True)], ids=["kept", "recomputed"])
@pytest.mark.parametrize("names", COMBINATIONS)
def test_gradients_equal_differences_of_the_numpy_loss(
    names: tuple[str, ...], impl: ImplSettings, make_backend: MakeBackend
) -> None:
    """Each parameter is tested along a random direction, with the kernels that training uses on CPU."""
    session, tasks = session_of(make_backend(impl), use_task_id=True), tuple(task_of(name) for name in names)
    weights = np.array([0.5, 0.25, 0.125][: len(tasks)], np.float32)
    random = np.random.default_rng(7)
    batch = random_batch(random, [6, 2, 9, 6])
    labels = {task.name: random_labels(random, task, batch) for task in tasks}
    session.set_loss_scale(4.0)
    session.add_gradients(tasks, joined(batch, labels), weights, dropout_key=1)
    values = {name: value.astype(np.float64) for name, value in session.parameters().items()}

    def loss() -> float:
        return sum(
            float(weight) * numpy_loss(values, session.config, tasks[0].task_id, task, batch, labels[task.name])
            for weight, task in zip(weights, tasks, strict=True)
        )

    random = np.random.default_rng(2)
    for name, value in values.items():
        direction, original, step = random.normal(size=value.shape), value.copy(), 1e-5
        values[name] = original + step * direction
        above = loss()
        values[name] = original - step * direction
        slope = (above - loss()) / (2 * step)
        values[name] = original
        gradient = session.variables.get(name + GRADIENT_SUFFIX) / 4
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert abs(slope - float((gradient * direction).sum())) <= 2e-5 * scale + 1e-6, name


@pytest.mark.parametrize("names", COMBINATIONS)
def test_recomputed_layers_give_the_same_gradients(names: tuple[str, ...], make_backend: MakeBackend) -> None:
    found: dict[bool, dict[str, np.ndarray]] = {}
    for again in (False, True):
        impl, rates = ImplSettings(recompute=again), {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}
        session, tasks = session_of(make_backend(impl), **rates), tuple(task_of(name) for name in names)
        session.add_gradients(tasks, feed_for(session, tasks, seed=4), ones(len(tasks)), dropout_key=1)
        found[again] = {name: session.variables.get(name + GRADIENT_SUFFIX) for name in session.parameters()}
    for name, gradient in found[False].items():
        if make_backend is cpu:
            assert (gradient == found[True][name]).all(), name
        else:  # the same values are dropped, and scaled by another operator
            np.testing.assert_allclose(found[True][name], gradient, rtol=1e-4, atol=1e-5, err_msg=name)
    assert any(gradient.any() for gradient in found[True].values())


def test_gradients_read_nothing_of_a_layer_s_forward_pass_but_its_output_and_what_was_sampled(
    make_backend: MakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else is recomputed, whether gradients read it directly or not."""
    config = session_of(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1).config
    read: list[str] = []

    def recompute_and_look(main: Any, forward: set[int], segments: Sequence[Segment], kept: Sequence[Any]) -> None:
        recompute_layers(main, forward, segments, kept)
        may_be_read = [*(segment.output for segment in segments), *kept]
        of_layers = set().union(*(segment.operators for segment in segments))
        for operator in main.global_block().ops:
            values = operator.operands_source() if operator.id() not in forward else []
            for value in values:
                source = value.get_defining_op()  # None for an operand that is left out
                if source is None:
                    continue
                if source.id() in of_layers and not any(value.is_same(readable) for readable in may_be_read):
                    read.append(source.name())
        assert any(operator.id() not in forward for operator in main.global_block().ops)

    monkeypatch.setattr("ernie_paddle.programs.task_program.recompute_layers", recompute_and_look)
    backend = make_backend(ImplSettings(recompute=True))
    build_task_program(config, [task_of("knowledge_masking")], True, backend)
    assert set(read) <= {"builtin.parameter", "pd_op.data"}, "weights and feeds are there anyway"
