"""The encoder and its gradients against independent computations."""

from typing import Any

import numpy as np
import pytest

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.task_program import LOSS_WEIGHTS
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Task

PAD = 0
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


def session_of(**sizes: Any) -> Session:
    return Session(ErnieConfig(**{**SIZES, "hidden_act": "gelu", **sizes}), PAD, seed=3, adam=AdamSettings())


def task_of(name: str) -> Task:
    return load_plugins().pretraining_tasks.get(name)


def numpy_loss(values: dict[str, np.ndarray], config: ErnieConfig, task: Task, feed: dict[str, np.ndarray]) -> float:
    """Summed loss of a task: the encoder of the release written out in float64, sample by sample."""
    p = {name: value.astype(np.float64) for name, value in values.items()}
    total, outputs = 0.0, []
    for ids, sentence_ids in zip(feed["input_ids"], feed["sentence_ids"], strict=True):
        outputs.append(numpy_encode(p, config, task.task_id, ids, sentence_ids))
    if task.name == "knowledge_masking":
        flat = np.concatenate(outputs)[feed["mask_positions"]]
        hidden = activation(flat @ p["mask_lm_trans_fc.w_0"] + p["mask_lm_trans_fc.b_0"], config.hidden_act)
        hidden = layer_norm(hidden, p, "mask_lm_trans_layer_norm")
        logits, labels = hidden @ p["word_embedding"].T + p["mask_lm_out_fc.b_0"], feed["mask_labels"]
    elif task.objective.level == "sentence":
        pooled = np.tanh(np.stack([x[0] for x in outputs]) @ p["pooled_fc.w_0"] + p["pooled_fc.b_0"])
        logits, labels = head(pooled, p, f"{task.name}_fc"), feed[f"{task.name}_fc_label"]
    else:
        logits, labels = head(np.concatenate(outputs), p, f"{task.name}_fc"), feed[f"{task.name}_fc_label"]
    for row, label in zip(logits, labels, strict=True):
        if label >= 0:
            total += np.log(np.exp(row - row.max()).sum()) + row.max() - row[label]
    return total


def numpy_encode(
    p: dict[str, np.ndarray], config: ErnieConfig, task_id: int, ids: np.ndarray, sentence_ids: np.ndarray
) -> np.ndarray:
    x = p["word_embedding"][ids] + p["sent_embedding"][sentence_ids] + p["pos_embedding"][: len(ids)]
    if config.use_task_id:
        x = x + p["task_embedding"][task_id]
    x = layer_norm(x, p, "pre_encoder_layer_norm")
    size = config.hidden_size // config.num_attention_heads
    for i in range(config.num_hidden_layers):
        name = f"encoder_layer_{i}"
        q, k, v = (
            x @ p[f"{name}_multi_head_att_{part}_fc.w_0"] + p[f"{name}_multi_head_att_{part}_fc.b_0"]
            for part in ("query", "key", "value")
        )
        heads = []
        for start in range(0, config.hidden_size, size):
            part = slice(start, start + size)
            scores = q[:, part] @ k[:, part].T / np.sqrt(size)
            scores[:, ids == PAD] = -np.inf
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            heads.append(weights / weights.sum(axis=1, keepdims=True) @ v[:, part])
        context = np.concatenate(heads, axis=1)
        context = context @ p[f"{name}_multi_head_att_output_fc.w_0"] + p[f"{name}_multi_head_att_output_fc.b_0"]
        x = layer_norm(x + context, p, f"{name}_post_att_layer_norm")
        inner = activation(x @ p[f"{name}_ffn_fc_0.w_0"] + p[f"{name}_ffn_fc_0.b_0"], config.hidden_act)
        outer = inner @ p[f"{name}_ffn_fc_1.w_0"] + p[f"{name}_ffn_fc_1.b_0"]
        x = layer_norm(x + outer, p, f"{name}_post_ffn_layer_norm")
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


def random_feed(task: Task, rows: int, length: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    ids = random.integers(5, SIZES["vocab_size"], (rows, length))
    for row in range(1, rows):
        ids[row, random.integers(1, length + 1) :] = PAD
    feed = {"input_ids": ids, "sentence_ids": random.integers(0, 3, (rows, length))}
    if task.name == "knowledge_masking":
        feed["mask_positions"] = random.integers(0, rows * length, 8)
        feed["mask_labels"] = np.append(random.integers(0, SIZES["vocab_size"], 7), -1)
    else:
        count = rows if task.objective.level == "sentence" else rows * length
        feed[f"{task.name}_fc_label"] = random.integers(-1, task.objective.classes(0), count)
    return feed


@pytest.mark.parametrize("name", ["knowledge_masking", "capitalization", "sentence_distance"])
@pytest.mark.parametrize("sizes", [{}, {"hidden_act": "relu"}, {"use_task_id": True}])
def test_the_loss_equals_an_encoder_written_out_in_numpy(name: str, sizes: dict[str, Any]) -> None:
    session, task = session_of(**sizes), task_of(name)
    session.parameter_shapes([task])
    spread = {n: v + np.random.default_rng(1).normal(0, 0.3, v.shape) for n, v in session.parameters().items()}
    session.set_parameters({n: v.astype(np.float32) for n, v in spread.items()})
    for rows, length in (
        (1, 1),
        (1, 5),
        (5, 1),
        (5, 5),
        (3, 12),
    ):  # where rows and length agree, shapes may be confused
        feed = random_feed(task, rows, length)
        expected = numpy_loss(session.parameters(), session.config, task, feed)
        np.testing.assert_allclose(session.evaluate(task, feed)[0], expected, rtol=2e-4, atol=1e-4)


def test_padding_a_batch_further_changes_no_loss() -> None:
    session, task = session_of(), task_of("sentence_distance")
    feed = random_feed(task, 3, 7)
    padded = {**feed, **{n: np.pad(feed[n], ((0, 0), (0, 5))) for n in ("input_ids", "sentence_ids")}}
    np.testing.assert_allclose(session.evaluate(task, feed), session.evaluate(task, padded), rtol=1e-5)


@pytest.mark.parametrize(
    "names",
    [("knowledge_masking",), ("sentence_distance", "knowledge_masking", "capitalization"), ("capitalization",)],
)
def test_gradients_equal_differences_of_the_numpy_loss(names: tuple[str, ...]) -> None:
    """Every parameter, along a random direction; the kernels that training uses on CPU are the ones at work."""
    session, tasks = session_of(use_task_id=True), tuple(task_of(name) for name in names)
    weights = np.array([0.5, 0.25, 0.125][: len(tasks)], np.float32)
    feed = {LOSS_WEIGHTS: weights}
    for number, task in enumerate(tasks):
        feed = (
            random_feed(task, 4, 6, seed=7)
            | feed
            | {n: v for n, v in random_feed(task, 4, 6, seed=number).items() if n not in ("input_ids", "sentence_ids")}
        )
    session.add_gradients(tasks, feed, dropout_key=1)
    values = {name: value.astype(np.float64) for name, value in session.parameters().items()}

    def loss() -> float:
        return sum(
            float(weight) * numpy_loss(values, session.config, Task(task.name, tasks[0].task_id, task.objective), feed)
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
        gradient = session.variables.get(name + GRADIENT_SUFFIX)
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert abs(slope - float((gradient * direction).sum())) <= 2e-3 * scale + 1e-5, name
