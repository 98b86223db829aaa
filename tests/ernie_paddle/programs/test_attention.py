"""FlashAttention: what GPUs are given. Its kernel runs on GPUs only; a stand-in is compared with padded attention."""

import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn.functional.flash_attention import flash_attn_unpadded
from programs_support import (
    feed_for,
    gpu,
    gpu_with_flash,
    joined,
    ones,
    random_batch,
    random_labels,
    session_of,
    task_of,
)

from ernie_paddle.data.feeding import encoder_feed
from ernie_paddle.programs import gpu as gpu_module
from ernie_paddle.programs.attention import AttentionInputs, PackedLayout
from ernie_paddle.programs.building import new_program
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.programs.gpu import Gpu
from ernie_paddle.programs.task_program import build_task_program
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.settings import ImplSettings, Precision
from ernie_paddle.task import Labels


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
def test_flash_attention_gives_the_loss_and_gradients_of_padded_attention(recompute: bool) -> None:
    random, found, task = np.random.default_rng(3), [], task_of("knowledge_masking")
    batch = random_batch(random, [5, 1, 9, 4])
    labels = random_labels(random, task, batch)
    for make in (gpu, gpu_with_flash):
        session = session_of(make(ImplSettings(recompute=recompute)))
        session.add_gradients((task,), joined(batch, {task.name: labels}), ones(1), dropout_key=1)
        gradients = {name: session.variables.get(name + GRADIENT_SUFFIX) for name in session.parameters()}
        found.append({"loss": session.take_metrics()[task.name][0], **gradients})
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_every_sequence_has_a_query() -> None:
    """FlashAttention's kernel leaves the gradients of keys and values of a sequence without queries unwritten."""
    batch = random_batch(np.random.default_rng(0), [5, 1, 9, 4])
    for selected in ([], [7, 8], [0, 18]):
        feed = encoder_feed(batch, {"task": Labels(np.array(selected, np.int64), {}, np.zeros(len(selected)))})
        ends = feed["selected_cu_seqlens"]
        assert (np.diff(ends) > 0).all() and feed["token_cu_seqlens"].tolist() == [0, 5, 6, 15, 19]
        for begin, end, first, length in zip(ends[:-1], ends[1:], batch.first_tokens, batch.lengths, strict=True):
            own = feed["selected"][begin:end]
            assert own[0] == first and (own < first + length).all()
        assert set(selected) <= set(feed["selected"].tolist())
        assert (feed["selected"][feed["task@selected"]] == selected).all()


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("precision", "dtype"), [("bf16", paddle.bfloat16), ("fp16", paddle.float16)])
def test_the_kernel_drops_in_training_alone_scales_by_the_heads_size_and_looks_both_ways(
    precision: Precision, dtype: Any, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def kernel(query: Any, *arguments: Any, **options: Any) -> tuple[Any, None]:
        bound = inspect.signature(flash_attn_unpadded).bind(query, *arguments, **options)
        bound.apply_defaults()
        given.update(bound.arguments)
        return query, None

    monkeypatch.setattr(gpu_module, "flash_attn_unpadded", kernel)
    backend = Gpu(precision, ImplSettings(), place=SimpleNamespace(), flash=True)
    with new_program():
        queries, keys, values = (paddle.static.data(name, [-1, 8], precision_name(precision)) for name in "qkv")
        layouts = [PackedLayout(paddle.static.data(name, [-1], "int32"), ("tokens", 0)) for name in ("few", "all")]
        dropout = Dropout(training, fed=False, keep_masks=True)
        inputs = AttentionInputs(queries, keys, values, *layouts, 2)
        contexts = backend.attention(12)(inputs, 0.3, dropout)
        assert contexts.shape == [-1, 8] and len(dropout.kept) == 1
        assert [(given[name].dtype, given[name].shape) for name in ("query", "key", "value")] == [
            (dtype, [-1, 2, 4])
        ] * 3
        assert given["cu_seqlens_q"].is_same(layouts[0].cu_seqlens)
        assert given["cu_seqlens_k"].is_same(layouts[1].cu_seqlens)
    paddle.set_flags({"FLAGS_use_mkldnn": True})
    assert (given["dropout"], given["training"]) == ((0.3, True) if training else (0.0, False))
    assert (given["scale"], given["causal"], given["fixed_seed_offset"]) == (0.5, False, None)
    assert given["max_seqlen_q"] == given["max_seqlen_k"] == 12


def precision_name(precision: Precision) -> str:
    return {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}[precision]


def test_programs_with_flash_attention_need_no_padded_layout() -> None:
    session, task = session_of(gpu_with_flash()), task_of("capitalization")
    program = build_task_program(session.config, [task], True, session.backend)
    assert not [name for name in program.read if "padded" in name]
    session.add_gradients((task,), feed_for(session, (task,), 0), ones(1), 1)
