"""FlashAttention: what it computes, and what GPUs are given; its kernel runs on GPUs only, another stands for it."""

import inspect
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn.functional.flash_attention import flash_attn_unpadded
from programs_support import joined, random_batch, random_labels, session_of, task_of

from ernie_paddle.errors import UserError
from ernie_paddle.programs.attention import AttentionInputs, SymbolicLayout, flash_attention, uses_flash
from ernie_paddle.programs.building import new_program
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.programs.task_program import LOSS_WEIGHTS, build_task_program
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.settings import Attention, ImplSettings, Precision


def attention_within_sequences(  # type: ignore[no-untyped-def]
    queries, keys, values, query_cu_seqlens, key_cu_seqlens, longest_query, longest_key, scale, rate, **_
) -> tuple[Any, None]:
    """Compute what FlashAttention's kernel for varying lengths is documented to compute, token by token."""

    def sequence_of(tokens: Any, cu_seqlens: Any) -> Any:
        numbers = paddle.arange(0, paddle.shape(tokens)[0], dtype="int32")
        return paddle.sum(paddle.cast(numbers.unsqueeze(1) >= cu_seqlens.unsqueeze(0), "int32"), axis=1)

    apart = sequence_of(queries, query_cu_seqlens).unsqueeze(1) != sequence_of(keys, key_cu_seqlens).unsqueeze(0)
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
        contexts, _ = attention_within_sequences(*plain, *arguments, **options)
        return paddle.cast(contexts, queries.dtype), None

    monkeypatch.setattr("ernie_paddle.programs.attention.flash_attn_unpadded", kernel)
    chooses = "ernie_paddle.programs.task_program.uses_flash"
    monkeypatch.setattr(chooses, lambda chosen, precision: chosen == "flash")
    return given


@pytest.mark.parametrize("again", [False, True], ids=["kept", "recomputed"])
def test_flash_attention_gives_the_loss_and_gradients_of_padded_attention(
    flash: list[dict[str, Any]], again: bool
) -> None:
    random, found, task = np.random.default_rng(3), [], task_of("knowledge_masking")
    batch = random_batch(random, [5, 1, 9, 4])
    labels = random_labels(random, task, batch)
    for attention in ("padded", "flash"):
        session = session_of(ImplSettings(attention=attention, recompute=again))
        feed = {**joined(batch, {task.name: labels}), LOSS_WEIGHTS: np.ones(1, np.float32)}
        session.add_gradients((task,), feed, dropout_key=1)
        gradients = {name: session.variables.get(name + GRADIENT_SUFFIX) for name in session.parameters()}
        found.append({"loss": session.take_metrics()[task.name][0], **gradients})
    assert len(flash) == session.config.num_hidden_layers
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def flash_attention_alone(precision: Precision, training: bool) -> tuple[list[int], int]:
    """Build FlashAttention for 2 heads of size 4; return the shape of contexts and how many Values are kept."""
    with new_program():
        queries, keys, values = (paddle.static.data(name, [-1, 8], "float32") for name in "qkv")
        padded = paddle.static.data("padded", [-1, -1], "int64"), paddle.static.data("tokens", [-1], "int64")
        layout, dropout = (
            SymbolicLayout(*padded, ("tokens", 0), ("padded", 0), ("padded", 1)),
            Dropout(training, keep_masks=True),
        )
        contexts = flash_attention(12, precision)(
            AttentionInputs(queries, keys, values, layout, layout, 2), 0.3, dropout
        )
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
    """GPUs add biases in float32 and sample dropout themselves. This tests only that the program is built so."""
    config = session_of(hidden_dropout_prob=0.125, attention_probs_dropout_prob=0.3).config
    monkeypatch.setattr("paddle.is_compiled_with_cuda", lambda: True)
    impl = ImplSettings(attention="flash", recompute=again)
    program = build_task_program(config, [task_of("knowledge_masking")], True, "bf16", impl)
    assert [(call["query"][0], call["dropout"]) for call in flash] == [
        (paddle.bfloat16, 0.3)
    ] * config.num_hidden_layers
    assert program.masks == () and program.products[1] > 0
    of_hidden = 1 + 2 * config.num_hidden_layers  # embedding, attention's output and feed-forward; sampled once
    operators = program.main.global_block().ops
    if again:
        shares = [
            operator.operand_source(0).get_defining_op()
            for operator in operators
            if operator.name() == "pd_op.bernoulli"
        ]
        assert [constant(share, 1) for share in shares] == [0.875] * of_hidden
    else:
        assert [constant(operator, 2) for operator in operators if operator.name() == "pd_op.dropout"] == [
            0.125
        ] * of_hidden


def constant(operator: Any, operand: int) -> float:
    """Return the constant that an operator takes as its operand."""
    return operator.operand_source(operand).get_defining_op().attrs()["value"]


@pytest.mark.parametrize(
    ("chosen", "precision", "cuda", "capability", "flash_is_used"),
    [
        ("automatic", "bf16", True, (8, 0), True),
        ("automatic", "fp16", True, (9, 0), True),
        ("flash", "bf16", True, (8, 6), True),
        ("padded", "bf16", True, (8, 0), False),
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
