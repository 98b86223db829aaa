"""Back ends return what the model computes, for every kind of head and from several threads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from typing import Any

import numpy as np
import paddle
import pytest
from helpers import needs_onnx
from programs_support import hidden_states
from scipy.special import erf
from weights_support import finetuned_model, random_model

from ernie_paddle.errors import UserError
from ernie_paddle.inference import backends
from ernie_paddle.inference.backends import InferenceBackend, InferencePrecision, cpu_threads, model_backend
from ernie_paddle.inference.heads import InferenceHead, TaskHead, encoder_head, masked_lm_head
from ernie_paddle.model.saved import Model
from ernie_paddle.task import SentenceClassificationObjective

MODEL = random_model(use_task_id=True)


def feed_of(lengths: list[int], masks: int = 0, seed: int = 0) -> dict[str, np.ndarray]:
    """Return random rows of these lengths, the longest one without padding, with `[MASK]` at some of the places."""
    random, vocabulary = np.random.default_rng(seed), MODEL.vocabulary
    ids = random.choice(vocabulary.ordinary_ids, (len(lengths), max(lengths)))
    places = np.arange(ids.shape[1]) < np.array(lengths)[:, None]
    ids.flat[random.choice(np.flatnonzero(places), masks, replace=False)] = vocabulary.mask_id
    sentences = random.integers(0, MODEL.config.sent_type_vocab_size, ids.shape)
    return {"input_ids": np.where(places, ids, vocabulary.pad_id), "sentence_ids": np.where(places, sentences, 0)}


def states_of(feed: dict[str, np.ndarray]) -> np.ndarray:
    vocabulary = MODEL.vocabulary
    return hidden_states(MODEL.config, MODEL.parameters, feed["input_ids"], feed["sentence_ids"], 0, vocabulary.pad_id)


LIBRARIES = ["PaddleBackend", pytest.param("OnnxBackend", marks=needs_onnx)]


def opened(library: str, model: Model, head: InferenceHead) -> InferenceBackend:
    """Open a model in one of the libraries."""
    with pytest.MonkeyPatch.context() as patch:
        if library == "PaddleBackend":
            patch.setattr(backends, "write_onnx", lambda *arguments: False)
        backend = model_backend(model, head, "here")
    assert type(backend).__name__ == library
    return backend


@pytest.fixture(scope="module", params=LIBRARIES)
def encoder(request: pytest.FixtureRequest) -> InferenceBackend:
    return opened(request.param, MODEL, encoder_head(MODEL.parameters))


@pytest.fixture(scope="module", params=LIBRARIES)
def masked_lm(request: pytest.FixtureRequest) -> InferenceBackend:
    return opened(request.param, MODEL, masked_lm_head(MODEL.parameters, "here"))


@pytest.mark.parametrize("lengths", [[1], [16], [3, 16, 1], [9, 9]])
def test_an_encoder_returns_all_tokens_and_the_pooled_first_ones(encoder: InferenceBackend, lengths: list[int]) -> None:
    feed, parameters = feed_of(lengths), MODEL.parameters
    tokens, pooled = encoder.run(feed)
    states, real = states_of(feed), feed["input_ids"] != MODEL.vocabulary.pad_id
    assert tokens.shape == states.shape and tokens.dtype == pooled.dtype == np.float32
    np.testing.assert_allclose(tokens[real], states[real], atol=1e-5)
    expected = np.tanh(states[:, 0] @ parameters["pooled_fc.w_0"] + parameters["pooled_fc.b_0"])
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_padding_may_go_on_beyond_the_last_position(encoder: InferenceBackend) -> None:
    feed = feed_of([16, 3])
    wider = {
        name: np.pad(values, ((0, 0), (0, 8)), constant_values=MODEL.vocabulary.pad_id if name == "input_ids" else 0)
        for name, values in feed.items()
    }
    assert MODEL.config.max_position_embeddings == 16 and wider["input_ids"].shape == (2, 24)
    real = feed["input_ids"] != MODEL.vocabulary.pad_id
    (tokens, pooled), (wider_tokens, wider_pooled) = encoder.run(feed), encoder.run(wider)
    np.testing.assert_allclose(wider_tokens[:, :16][real], tokens[real], atol=1e-6)
    np.testing.assert_allclose(wider_pooled, pooled, atol=1e-6)


@pytest.mark.parametrize(("lengths", "masks"), [([5], 1), ([3, 16, 1], 6), ([1], 1), ([4, 2], 6)])
def test_a_masked_lm_returns_logits_of_the_masks_in_order(
    masked_lm: InferenceBackend, lengths: list[int], masks: int
) -> None:
    feed, p = feed_of(lengths, masks), MODEL.parameters
    (logits,) = masked_lm.run(feed)
    x = states_of(feed)[feed["input_ids"] == MODEL.vocabulary.mask_id] @ p["mask_lm_trans_fc.w_0"]
    x = x + p["mask_lm_trans_fc.b_0"]
    x = x * (1 + erf(x / 2**0.5)) / 2
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + MODEL.config.layer_norm_epsilon)
    x = x * p["mask_lm_trans_layer_norm_scale"] + p["mask_lm_trans_layer_norm_bias"]
    expected = x @ p["word_embedding"].T + p["mask_lm_out_fc.b_0"]
    assert logits.shape == (masks, MODEL.config.vocab_size)
    np.testing.assert_allclose(logits, expected, atol=2e-5)


def test_threads_get_the_outputs_for_their_own_feeds(encoder: InferenceBackend) -> None:
    feeds = [feed_of([1 + number % 16, 3], seed=number) for number in range(40)]
    alone = [encoder.run(feed) for feed in feeds]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(encoder.run, feeds), alone, strict=True):
            for ours, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def without(*names: str) -> Model:
    return replace(MODEL, parameters={name: v for name, v in MODEL.parameters.items() if not name.startswith(names)})


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_without_a_pooler_returns_its_tokens_alone(library: str) -> None:
    model = without("pooled_fc")
    (tokens,) = opened(library, model, encoder_head(model.parameters)).run(feed_of([5]))
    assert tokens.shape == (1, 5, MODEL.config.hidden_size)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_that_lacks_a_head_or_a_layer_is_named(library: str) -> None:
    with pytest.raises(UserError, match=r"here: .*no masked-LM head"):
        masked_lm_head(without("mask_lm_").parameters, "here")
    model = without("encoder_layer_0_ffn_fc_0")
    with pytest.raises(
        UserError, match=r"here: the model lacks encoder_layer_0_ffn_fc_0\.b_0, encoder_layer_0_ffn_fc_0\.w_0"
    ):
        opened(library, model, encoder_head(model.parameters))


@needs_onnx
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("on_gpu", [True, False])
@pytest.mark.parametrize("gpu_build", [True, False])
def test_onnxruntime_runs_models_in_fp32_on_cpus(
    monkeypatch: pytest.MonkeyPatch, precision: InferencePrecision, on_gpu: bool, gpu_build: bool
) -> None:
    def installed_version(name: str) -> str:
        if name == "paddlepaddle-gpu" and not gpu_build:
            raise PackageNotFoundError(name)
        return "3.3"

    monkeypatch.setattr(backends, "version", installed_version)
    monkeypatch.setattr(backends, "PaddleBackend", lambda folder, *arguments: "Paddle")
    monkeypatch.setattr(backends, "OnnxBackend", lambda folder, *arguments: "ONNX")
    found = model_backend(MODEL, encoder_head(MODEL.parameters), "here", on_gpu, precision)
    assert str(found) == ("ONNX" if precision == "fp32" and not (on_gpu and gpu_build) else "Paddle")


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_extra_paddle_runs_models(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None if name == missing else name)
    assert type(model_backend(MODEL, encoder_head(MODEL.parameters), "here")).__name__ == "PaddleBackend"


@needs_onnx
def test_a_head_that_onnx_does_not_know_is_run_by_paddle() -> None:
    class Sigmoid(SentenceClassificationObjective):
        def prediction_scores(self, logits: Any) -> Any:
            return paddle.nn.functional.sigmoid(logits) if isinstance(logits, paddle.pir.Value) else logits.sigmoid()

    model = finetuned_model("classification")
    backend = model_backend(model, TaskHead(Sigmoid(("a", "b", "c"), "cls_out")), "here")
    assert type(backend).__name__ == "PaddleBackend" and backend.run(feed_of([5]))[0].shape == (1, 3)


def test_threads_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert cpu_threads() == 7
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {1, 5})
    assert cpu_threads() == 2
