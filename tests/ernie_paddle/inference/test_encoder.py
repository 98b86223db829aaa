"""Vectors of texts and tokens for masks are those of the model, whatever they are computed together with."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy_bert import NumpyBert
from programs_support import hidden_states
from scipy.special import erf, softmax
from weights_support import random_model

from ernie_paddle import Encoder
from ernie_paddle.cli import main
from ernie_paddle.data.encoding import cut_pair
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import KeptSignature
from ernie_paddle.inference import export
from ernie_paddle.inputs import BadRow, InputRow
from ernie_paddle.model.saved import Model, save_model
from ernie_paddle.registry import load_plugins

SMALL_BERT = os.environ.get("ERNIE_SMALL_BERT")
MODEL = random_model(use_task_id=True, vocab_size=42)  # two rows of the embedding have no token
MODEL = replace(MODEL, vocabulary=random_model().vocabulary)
POSITIONS = MODEL.config.max_position_embeddings
TEXTS = ["w1 w2 w3", ("w4 w5", "w6"), "", {"text_a": "w7", "text_b": "w8 w9"}, "w10 unknown w11 w12 w13", ("w1", "")]


def saved(folder: Path, model: Model) -> Path:
    folder.mkdir()
    save_model(folder, model)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model") / "model", MODEL)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return Encoder.load(str(folder))


def states_of(text: Any) -> np.ndarray:
    """The model's outputs for all tokens of a text or pair, computed alone by the program of training."""
    return states_of_parts(*(text.values() if isinstance(text, dict) else [text] if isinstance(text, str) else text))


@cache
def states_of_parts(*parts: str) -> np.ndarray:
    first, second = ([*map(token_id, part.split())] for part in [*parts, ""][:2])
    if second:
        kept = cut_pair(len(first), len(second), POSITIONS - 3)
        first, second = first[: kept[0]], [*second[: kept[1]], MODEL.vocabulary.sep_id]
    first = first[: POSITIONS - 2]
    ids = np.array([[MODEL.vocabulary.cls_id, *first, MODEL.vocabulary.sep_id, *second]])
    sentences = np.array([[0] * (len(first) + 2) + [1] * len(second)])
    return hidden_states(MODEL.config, MODEL.parameters, ids, sentences, 0, MODEL.vocabulary.pad_id)[0]


def token_id(word: str) -> int:
    return MODEL.vocabulary.ids.get(word, MODEL.vocabulary.unk_id)


def pooler(states: np.ndarray) -> np.ndarray:
    return np.tanh(states[0] @ MODEL.parameters["pooled_fc.w_0"] + MODEL.parameters["pooled_fc.b_0"])


POOLINGS = {
    "mean": lambda states: states.mean(axis=0),
    "cls": lambda states: states[0],
    "pooled": pooler,
    "tokens": lambda states: states,
}


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_are_those_of_each_text_computed_alone(encoder: Encoder, pooling: Any, normalize: bool) -> None:
    found = encoder.encode(TEXTS, pooling, normalize)
    assert len(found) == len(TEXTS) and isinstance(found, list) == (pooling == "tokens")
    for text, vectors in zip(TEXTS, found, strict=True):
        expected = POOLINGS[pooling](states_of(text))
        if normalize:
            expected = expected / np.linalg.norm(expected, axis=-1, keepdims=True)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, expected, atol=1e-5)


def random_texts(count: int) -> list[str]:
    random = np.random.default_rng(count)
    return [" ".join(f"w{i}" for i in random.integers(0, 35, random.integers(0, POSITIONS - 1))) for _ in range(count)]


def test_vectors_keep_their_order_and_do_not_depend_on_the_batch(encoder: Encoder) -> None:
    """Over several chunks."""
    texts = random_texts(1100)
    found = encoder.encode(texts)
    assert found.shape == (1100, MODEL.config.hidden_size)
    np.testing.assert_allclose(found, encoder.encode(texts, batch_tokens=64, progress=True), atol=1e-5)
    for number in (0, 511, 512, 1099):
        np.testing.assert_allclose(found[number], states_of(texts[number]).mean(axis=0), atol=1e-5)


def test_no_texts_give_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, MODEL.config.hidden_size) and encoder.encode([], "tokens") == []


def test_texts_that_are_too_long_are_cut_and_counted(encoder: Encoder) -> None:
    words = [f"w{i}" for i in range(30)]
    fitting, pair = " ".join(words[: POSITIONS - 2]), (" ".join(words), " ".join(words[:20]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (longest,) = encoder.encode([fitting], "tokens")
    assert len(longest) == POSITIONS
    with pytest.warns(UserWarning, match=f"2 of 3 texts have more than {POSITIONS} tokens and were cut"):
        cut, first, both = encoder.encode([" ".join(words), fitting, pair], "tokens")
    np.testing.assert_array_equal(cut, first)
    np.testing.assert_allclose(both, states_of(pair), atol=1e-5)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a text", "found a text; give a list"),
        (["w1", 5], "input 1: expected a text"),
        ([("a", "b", "c")], "input 0: expected a text, or up to 2 fields: text_a, text_b"),
        ([{"text_a": "a", "text": "b"}], "input 0: unknown key 'text'"),
        ([{"text_b": "a"}], "input 0: key 'text_a' is missing"),
        ([("a", 3)], "input 0: key 'text_b'"),
    ],
)
def test_what_is_no_text_is_named(encoder: Encoder, texts: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        encoder.encode(texts)


def test_bad_rows_keep_their_places(encoder: Encoder) -> None:
    rows = [InputRow("a", "here", "w1"), BadRow("b", "not UTF-8"), InputRow("c", "line 3", 7)]
    found = list(encoder.stream(rows, skip_bad=True))
    assert [row.id for row in found] == ["a", "b", "c"]
    assert found[1] is rows[1]
    assert isinstance(found[2], BadRow) and found[2].error.startswith("line 3: expected a text")
    assert len(list(encoder.stream(rows[1:2], skip_bad=True))) == 1


def test_half_characters_are_as_if_they_were_not_there(encoder: Encoder) -> None:
    expected = encoder.encode([("w1", "w2")])
    np.testing.assert_array_equal(encoder.encode([("w1\ud83d", "\udc00w2")]), expected)
    assert [candidate.token for candidate in encoder.fill_mask("w1\ud83d [MASK]")] == [
        candidate.token for candidate in encoder.fill_mask("w1 [MASK]")
    ]


# ---- masked LM ----


def masked_lm_shares(states: np.ndarray) -> np.ndarray:
    """Return the probabilities of all rows of the word embedding, [tokens, rows], in numpy."""
    p = MODEL.parameters
    x = states @ p["mask_lm_trans_fc.w_0"] + p["mask_lm_trans_fc.b_0"]
    x = x * (1 + erf(x / 2**0.5)) / 2
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + MODEL.config.layer_norm_epsilon)
    x = x * p["mask_lm_trans_layer_norm_scale"] + p["mask_lm_trans_layer_norm_bias"]
    return softmax(x @ p["word_embedding"].T + p["mask_lm_out_fc.b_0"], axis=-1)


def test_masks_are_filled_with_the_most_probable_tokens(encoder: Encoder) -> None:
    ids = [token_id(word) for word in ("[CLS]", "w1", "[MASK]", "w2", "[MASK]", "[SEP]")]
    pad_id = MODEL.vocabulary.pad_id
    states = hidden_states(MODEL.config, MODEL.parameters, np.array([ids]), np.zeros((1, 6), int), 0, pad_id)[0]
    candidates = encoder.fill_mask("w1[MASK] w2 [MASK]", top=3)
    assert [candidate.mask for candidate in candidates] == [0, 0, 0, 1, 1, 1]
    for mask, place in enumerate((2, 4)):
        shares = masked_lm_shares(states[place])
        best = np.argsort(-shares[: MODEL.vocabulary.size])[:3]
        found = candidates[3 * mask : 3 * mask + 3]
        assert [candidate.token for candidate in found] == [MODEL.vocabulary.tokens[i] for i in best]
        np.testing.assert_allclose([candidate.probability for candidate in found], shares[best], atol=1e-5)
    assert candidates[0].text == f"w1{candidates[0].token} w2 [MASK]"
    assert candidates[5].text == f"w1[MASK] w2 {candidates[5].token}"
    every = encoder.fill_mask("[MASK]", top=1000)
    assert len(every) == MODEL.vocabulary.size < MODEL.config.vocab_size


def test_texts_without_a_mask_or_with_too_many_tokens_are_refused(encoder: Encoder) -> None:
    with pytest.raises(UserError, match=r"'w1': has no \[MASK\]"):
        encoder.fill_mask("w1")
    assert len(encoder.fill_mask("w1 " * (POSITIONS - 3) + "[MASK]", 1)) == 1
    with pytest.raises(UserError, match=f"has {POSITIONS - 1} tokens, the model takes {POSITIONS - 2}"):
        encoder.fill_mask("w1 " * (POSITIONS - 2) + "[MASK]")


# ---- models of every kind ----


@pytest.fixture(scope="module")
def exported(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "export"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "largest_difference", lambda *arguments: 0.0)
        export.export(folder, out, load_plugins())
    return out


def test_an_exported_encoder_gives_the_same_vectors_and_fills_no_masks(encoder: Encoder, exported: Path) -> None:
    other = Encoder.load(exported)
    for pooling in ("mean", "cls", "pooled"):
        found, expected = (one.encode(TEXTS, pooling) for one in (other, encoder))  # type: ignore[call-overload]
        np.testing.assert_allclose(found, expected, atol=1e-5)  # not equal if onnxruntime runs one of them
    with pytest.raises(UserError, match="an export has no masked-LM head"):
        other.fill_mask("[MASK]")


def test_a_fine_tuned_run_is_encoded_with_its_best_model_and_task_id(encoder: Encoder, tmp_path: Path) -> None:
    """And without a pooler there are no pooled vectors."""
    parameters = {name: value for name, value in MODEL.parameters.items() if not name.startswith(("mask_lm", "pooled"))}
    signature = KeptSignature(task="regression", max_length=9, task_id=2, data={})
    (tmp_path / "run").mkdir()
    saved(tmp_path / "run" / "best", replace(MODEL, parameters=parameters, signature=signature))
    tuned = Encoder.load(tmp_path / "run")
    assert tuned.max_length == POSITIONS
    assert np.abs(tuned.encode(["w1 w2"]) - encoder.encode(["w1 w2"])).max() > 1e-3
    with pytest.raises(UserError, match="the model has no pooler"):
        tuned.encode(["w1"], "pooled")
    with pytest.raises(UserError, match="no masked-LM head"):
        tuned.fill_mask("[MASK]")


def test_threads_get_the_vectors_of_their_own_texts(encoder: Encoder) -> None:
    calls = [random_texts(1 + number) for number in range(20)]
    alone = [encoder.encode(texts) for texts in calls]
    masks = [encoder.fill_mask(f"w{number} [MASK]") for number in range(20)]

    def both(number: int) -> tuple[np.ndarray, Sequence[Any]]:
        return encoder.encode(calls[number]), encoder.fill_mask(f"w{number} [MASK]")

    with ThreadPoolExecutor(6) as pool:
        for number, (vectors, candidates) in enumerate(pool.map(both, range(20))):
            np.testing.assert_array_equal(vectors, alone[number])
            assert candidates == masks[number]


@pytest.mark.skipif(not SMALL_BERT, reason="ERNIE_SMALL_BERT does not name the folder of a small real BERT")
def test_a_converted_real_bert_gives_the_vectors_of_the_original(tmp_path: Path) -> None:
    bert = NumpyBert(Path(SMALL_BERT or ""), heads=12, epsilon=1e-12)
    main(["convert", str(SMALL_BERT), "--out", str(tmp_path / "bert")])
    encoder = Encoder.load(tmp_path / "bert")
    texts = ["The capital of France is Paris.", "Résumé: naïve café — $5", "", "how are you " * 40]
    expected = [bert.tokens(text) for text in texts]
    for vectors, states in zip(encoder.encode(texts, "tokens"), expected, strict=True):
        np.testing.assert_allclose(vectors, states, atol=2e-5)
    np.testing.assert_allclose(encoder.encode(texts), [states.mean(axis=0) for states in expected], atol=2e-5)
    np.testing.assert_allclose(encoder.encode(texts, "pooled"), [bert.pooled(text) for text in texts], atol=2e-5)
    (pair,) = encoder.encode([("Where is Paris?", "In France.")], "cls")
    np.testing.assert_allclose(pair, bert.tokens("Where is Paris?", "In France.")[0], atol=2e-5)
