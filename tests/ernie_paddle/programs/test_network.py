"""The encoder and its gradients against independent computations."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn.functional.flash_attention import flash_attn_unpadded
from programs_support import feed_for, joined, random_batch, random_labels

from ernie_paddle.data.batch import Batch
from ernie_paddle.errors import UserError
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import Heads, Layout, flash_attention, uses_flash
from ernie_paddle.programs.building import new_program
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.task_program import LOSS_WEIGHTS, build_task_program
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings, Attention, ImplSettings, Precision
from ernie_paddle.task import Labels, Task

SIZES: dict[str, Any] = {
    "vocab_size": 24,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 12,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.5,
}


def session_of(impl: ImplSettings | None = None, **sizes: Any) -> Session:
    return Session(ErnieConfig(**{**SIZES, "hidden_act": "gelu", **sizes}), seed=3, adam=AdamSettings(), impl=impl)


def task_of(name: str) -> Task:
    return load_plugins().pretraining_tasks.get(name)


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
    """Summed loss of a task: the encoder of the release written out in float64, sample by sample."""
    p = {name: value.astype(np.float64) for name, value in values.items()}
    borders = batch.first_tokens[1:]
    samples = zip(*(np.split(batch.columns[n], borders) for n in ("input_ids", "sentence_ids")), strict=True)
    outputs = [
        numpy_encode(p, config, task_id, ids, sentence_ids, i, drop) for i, (ids, sentence_ids) in enumerate(samples)
    ]
    total, x = 0.0, np.concatenate(outputs)[labels.tokens]
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
def test_the_loss_equals_an_encoder_written_out_in_numpy(name: str, sizes: dict[str, Any]) -> None:
    session, task = session_of(**sizes), task_of(name)
    session.parameter_shapes([task])
    spread = {n: v + np.random.default_rng(1).normal(0, 0.3, v.shape) for n, v in session.parameters().items()}
    session.set_parameters({n: v.astype(np.float32) for n, v in spread.items()})
    # where samples and length agree, shapes may be confused
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
    feed = {**joined(batch, {name: labels}), LOSS_WEIGHTS: np.array([0.25], np.float32)}
    session.set_loss_scale(8.0)  # neither of the two changes what is said of losses
    session.add_gradients((task,), feed, dropout_key=5)
    drawn = [mask.draw(feed, key=5) for mask in build_task_program(session.config, [task], True).masks]
    layers = session.config.num_hidden_layers
    assert len(drawn) == 1 + 3 * layers + (name != "knowledge_masking")
    read = np.isin(np.arange(batch.tokens), labels.tokens)  # the last layer computes these alone

    def drop(number: int, sample: int, x: np.ndarray) -> np.ndarray:
        mask, stays = drawn[number], np.ones(x.shape)
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


COMBINATIONS = [
    ("knowledge_masking",),
    ("sentence_distance", "knowledge_masking", "capitalization"),
    ("capitalization",),
]


@pytest.mark.parametrize("impl", [ImplSettings(), ImplSettings(recompute=True)], ids=["kept", "recomputed"])
@pytest.mark.parametrize("names", COMBINATIONS)
def test_gradients_equal_differences_of_the_numpy_loss(names: tuple[str, ...], impl: ImplSettings) -> None:
    """Every parameter, along a random direction; the kernels that training uses on CPU are the ones at work."""
    session, tasks = session_of(impl, use_task_id=True), tuple(task_of(name) for name in names)
    weights = np.array([0.5, 0.25, 0.125][: len(tasks)], np.float32)
    random = np.random.default_rng(7)
    batch = random_batch(random, [6, 2, 9, 6])
    labels = {task.name: random_labels(random, task, batch) for task in tasks}
    session.set_loss_scale(4.0)
    session.add_gradients(tasks, {**joined(batch, labels), LOSS_WEIGHTS: weights}, dropout_key=1)
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
def test_layers_computed_again_give_the_same_gradients_bit_for_bit(names: tuple[str, ...]) -> None:
    found: dict[bool, dict[str, np.ndarray]] = {}
    for again in (False, True):
        impl, rates = ImplSettings(recompute=again), {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}
        session, tasks = session_of(impl, **rates), tuple(task_of(name) for name in names)
        session.add_gradients(tasks, feed_for(session, tasks, seed=4), dropout_key=1)
        found[again] = {name: session.variables.get(name + GRADIENT_SUFFIX) for name in session.parameters()}
    assert all((gradient == found[True][name]).all() for name, gradient in found[False].items())
    assert any(gradient.any() for gradient in found[True].values())


def test_all_matrix_products_of_layers_are_computed_again_but_the_last_of_each() -> None:
    session, tasks = session_of(), (task_of("knowledge_masking"),)
    products = {}
    for again in (False, True):
        program = build_task_program(session.config, tasks, True, impl=ImplSettings(recompute=again))
        names = [operator.name() for operator in program.main.global_block().ops]
        products[again] = names.count("pd_op.matmul"), names.count("pd_op.matmul_grad")
    assert products[True][1] == products[False][1]
    assert products[True][0] > products[False][0] + 8 * session.config.num_hidden_layers


def attention_between_borders(  # type: ignore[no-untyped-def]
    queries, keys, values, query_borders, key_borders, longest_query, longest_key, scale, rate, **_
) -> tuple[Any, None]:
    """What FlashAttention's kernel for varying lengths is documented to do, token by token, on any device."""

    def sample_of(tokens: Any, borders: Any) -> Any:
        numbers = paddle.arange(0, paddle.shape(tokens)[0], dtype="int32")
        return paddle.sum(paddle.cast(numbers.unsqueeze(1) >= borders.unsqueeze(0), "int32"), axis=1)

    apart = sample_of(queries, query_borders).unsqueeze(1) != sample_of(keys, key_borders).unsqueeze(0)
    by_head = [paddle.transpose(x, [1, 0, 2]) for x in (queries, keys, values)]
    scores = paddle.matmul(by_head[0], by_head[1], transpose_y=True) * scale - paddle.cast(apart, "float32") * 1e9
    contexts = paddle.assign(paddle.matmul(paddle.nn.functional.softmax(scores), by_head[2]))
    return paddle.transpose(contexts, [1, 0, 2]), None


@pytest.fixture
def flash(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """FlashAttention is used where a plan asks for it, with another kernel; the arguments that it is given, by name.

    Of queries, keys and values these are dtype and shape; no Values, which may not be shown once their program is gone.
    """
    given: list[dict[str, Any]] = []

    def kernel(queries: Any, keys: Any, values: Any, *arguments: Any, **options: Any) -> tuple[Any, None]:
        bound = inspect.signature(flash_attn_unpadded).bind(queries, keys, values, *arguments, **options)
        bound.apply_defaults()
        parts = {name: bound.arguments.pop(name) for name in ("query", "key", "value")}
        del bound.arguments["cu_seqlens_q"], bound.arguments["cu_seqlens_k"]
        given.append(bound.arguments | {name: (part.dtype, part.shape) for name, part in parts.items()})
        plain = (paddle.cast(part, "float32") for part in (queries, keys, values))
        contexts, _ = attention_between_borders(*plain, *arguments, **options)
        return paddle.cast(contexts, queries.dtype), None

    monkeypatch.setattr("ernie_paddle.programs.attention.flash_attn_unpadded", kernel)
    chooses = "ernie_paddle.programs.task_program.uses_flash"
    monkeypatch.setattr(chooses, lambda chosen, precision: chosen == "flash")
    return given


@pytest.mark.parametrize("again", [False, True], ids=["kept", "recomputed"])
def test_flash_attention_gives_the_loss_and_gradients_of_rectangles(flash: list[dict[str, Any]], again: bool) -> None:
    random, found, task = np.random.default_rng(3), [], task_of("knowledge_masking")
    batch = random_batch(random, [5, 1, 9, 4])
    labels = random_labels(random, task, batch)
    for attention in ("rectangles", "flash"):
        session = session_of(ImplSettings(attention=attention, recompute=again))
        feed = {**joined(batch, {task.name: labels}), LOSS_WEIGHTS: np.ones(1, np.float32)}
        session.add_gradients((task,), feed, dropout_key=1)
        gradients = {name: session.variables.get(name + GRADIENT_SUFFIX) for name in session.parameters()}
        found.append({"loss": session.take_metrics()[task.name][0], **gradients})
    assert len(flash) == session.config.num_hidden_layers
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def flash_attention_alone(precision: Precision, training: bool) -> tuple[list[int], int]:
    """Build it for 2 heads of size 4; the shape of contexts, and how many Values are not to be drawn again."""
    with new_program():
        queries, keys, values = (paddle.static.data(name, [-1, 8], "float32") for name in "qkv")
        cells = paddle.static.data("cells", [-1, -1], "int64"), paddle.static.data("tokens", [-1], "int64")
        layout, dropout = Layout(*cells, ("tokens", 0), ("cells", 0), ("cells", 1)), Dropout(training, keep_masks=True)
        contexts = flash_attention(12, precision)(Heads(queries, keys, values, layout, layout, 2), 0.3, dropout)
        return contexts.shape, len(dropout.kept)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("precision", "dtype"), [("bf16", paddle.bfloat16), ("fp16", paddle.float16)])
def test_flash_attention_drops_in_training_alone_scales_by_the_heads_size_and_looks_both_ways(
    flash: list[dict[str, Any]], precision: Precision, dtype: Any, training: bool
) -> None:
    assert flash_attention_alone(precision, training) == ([-1, 8], 1)
    (given,) = flash
    assert [given[name] for name in ("query", "key", "value")] == [(dtype, [-1, 2, 4])] * 3
    assert (given["dropout"], given["training"]) == ((0.3, True) if training else (0.0, False))
    assert (given["scale"], given["causal"], given["fixed_seed_offset"]) == (0.5, False, None)
    assert given["max_seqlen_q"] == given["max_seqlen_k"] == 12


@pytest.mark.parametrize("again", [False, True], ids=["kept", "recomputed"])
def test_what_a_gpu_would_be_given_is_built_with_every_attention_in_low_precision(
    flash: list[dict[str, Any]], again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Biases are added in float32 there, dropout is the device's own: only building can be tried here."""
    config = session_of(hidden_dropout_prob=0.125, attention_probs_dropout_prob=0.3).config
    monkeypatch.setattr("paddle.is_compiled_with_cuda", lambda: True)
    impl = ImplSettings(attention="flash", recompute=again)
    program = build_task_program(config, [task_of("knowledge_masking")], True, "bf16", impl)
    assert [(one["query"][0], one["dropout"]) for one in flash] == [(paddle.bfloat16, 0.3)] * config.num_hidden_layers
    assert program.masks == () and program.products[1] > 0
    of_hidden = 1 + 2 * config.num_hidden_layers  # embedding, attention's output and feed-forward; drawn once
    operators = program.main.global_block().ops
    if again:
        shares = [one.operand_source(0).get_defining_op() for one in operators if one.name() == "pd_op.bernoulli"]
        assert [constant(share, 1) for share in shares] == [0.875] * of_hidden
    else:
        assert [constant(one, 2) for one in operators if one.name() == "pd_op.dropout"] == [0.125] * of_hidden


def constant(operator: Any, operand: int) -> float:
    """The constant that is an operator's operand."""
    return operator.operand_source(operand).get_defining_op().attrs()["value"]


@pytest.mark.parametrize(
    ("chosen", "precision", "cuda", "capability", "flash_is_used"),
    [
        ("automatic", "bf16", True, (8, 0), True),
        ("automatic", "fp16", True, (9, 0), True),
        ("flash", "bf16", True, (8, 6), True),
        ("rectangles", "bf16", True, (8, 0), False),
        ("automatic", "bf16", True, (7, 5), False),
        ("automatic", "fp32", True, (8, 0), False),
        ("automatic", "bf16", False, (8, 0), False),
    ],
)
def test_flash_attention_is_used_where_it_can_run(
    chosen: Attention,
    precision: Precision,
    cuda: bool,
    capability: tuple[int, int],
    flash_is_used: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("paddle.is_compiled_with_cuda", lambda: cuda)
    monkeypatch.setattr("paddle.device.cuda.get_device_capability", lambda: capability)
    assert uses_flash(chosen, precision) == flash_is_used
    if not flash_is_used and chosen == "automatic":
        with pytest.raises(UserError, match=r"impl\.attention: flash needs"):
            uses_flash("flash", precision)


@pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="for CPUs")
def test_flash_attention_without_a_gpu_is_refused() -> None:
    with pytest.raises(UserError, match=r"impl\.attention: flash needs a GPU"):
        build_task_program(
            session_of().config, [task_of("knowledge_masking")], True, "bf16", ImplSettings(attention="flash")
        )
