"""The service answers what the Python API returns, and names the mistakes of requests."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weights_support import FINETUNED, finetuned_model, random_model

pytest.importorskip("prometheus_client", reason="needs the extra serve: pip install -e '.[serve]'")

import httpx
from serving_support import LIMITS, metric, served, until, vectors_of

from ernie_paddle import Encoder, Predictor
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.model.saved import Model, save_model
from ernie_paddle.serving import app
from ernie_paddle.serving.app import Limits
from ernie_paddle.serving.batching import Results
from ernie_paddle.serving.models import EmbeddingModel, PredictionModel, Prepared, ServedModel, usual_endpoint

MODEL = random_model()
POSITIONS = MODEL.config.max_position_embeddings
TEXTS = ["w1 w2 w3", "", "w7 w8", "w10 unknown w11 w12 w13", "w1 " * 30, "w1\ud83d w2"]
CLOZE = {"text": "w1 #idiom1# w2", "candidates": ["w3", "w4", "w5"], "group": "g"}
INPUTS: dict[str, list[Any]] = {
    "classification": ["w1 w2", ("w3", "w4 w5"), {"text_a": "w6", "label": "good"}, "w7 " * 40],
    "regression": [("w1 w2", "w3"), {"text_a": "w6", "text_b": "w7"}],
    "sequence_labelling": ["w1 w2", {"tokens": ["w3", "w4", "w5"]}, {"tokens": ["w1"] * 30}],
    "reading_comprehension": [("w1", "w2 w3 " * 20), {"question": "w4 w5", "context": "w6"}],
    "multiple_choice": [
        ("w1", "w2", ["w3", "w4 w5"]),
        {"context": "w1", "question": "w2", "choices": ["a", "b", "w9"]},
    ],
    "cloze": [CLOZE, {**CLOZE, "text": "w5 #idiom2# w6"}, {**CLOZE, "text": "#idiom3# w9 w9", "group": "h"}],
    "pronoun_resolution": [{"text": "w1 sees w2", "noun": "w1", "pronoun": "w2"}],
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("encoder")
    save_model(folder, MODEL)
    return Encoder.load(folder)


def embeddings(encoder: Encoder, most_inputs: int = 20, normalize: bool = False) -> EmbeddingModel:
    return EmbeddingModel(encoder, "small", most_inputs, "mean", normalize, batch_tokens=512)


@pytest.fixture(scope="module")
def client(encoder: Encoder) -> Iterator[httpx.Client]:
    with served(embeddings(encoder)) as client:
        yield client


def asked(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/v1/embeddings", content=json.dumps(body))


# ---- embeddings ----


@pytest.mark.filterwarnings("ignore:1 of 6 texts:UserWarning")
@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_embeddings_are_those_of_the_encoder(client: httpx.Client, encoder: Encoder, encoding_format: str) -> None:
    """Bit for bit, in both formats."""
    response = asked(client, input=TEXTS, model="small", encoding_format=encoding_format, user="somebody")
    np.testing.assert_array_equal(vectors_of(response), encoder.encode(TEXTS))
    answer, tokens = response.json(), sum(map(len, encoder.encode(TEXTS, "tokens")))
    assert answer["object"] == "list" and answer["model"] == "small"
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert {entry["object"] for entry in answer["data"]} == {"embedding"}
    (single,) = vectors_of(asked(client, input=TEXTS[0], encoding_format=encoding_format))
    np.testing.assert_array_equal(single, encoder.encode(TEXTS[:1])[0])


def test_token_ids_are_as_their_text(client: httpx.Client, encoder: Encoder) -> None:
    texts = ["w1 w2 w3", "w4", "w5 " * 30]
    ids = [[MODEL.vocabulary.ids[word] for word in text.split()] for text in texts]
    np.testing.assert_array_equal(vectors_of(asked(client, input=ids)), vectors_of(asked(client, input=texts)))
    np.testing.assert_array_equal(vectors_of(asked(client, input=ids[0])), encoder.encode(texts[:1]))


def test_embeddings_have_the_pooling_and_length_that_the_server_was_started_with(encoder: Encoder) -> None:
    with served(EmbeddingModel(encoder, "small", 20, "cls", True, 512)) as client:
        np.testing.assert_array_equal(
            vectors_of(asked(client, input=TEXTS[:3])), encoder.encode(TEXTS[:3], "cls", True)
        )


def test_a_text_s_embedding_does_not_depend_on_what_it_is_computed_with(encoder: Encoder) -> None:
    """All 16 requests are in one batch, whose padding is that of its longest text."""
    texts = ["w1 " * (1 + number) for number in range(14)] + ["w2 w3", ""]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    with served(embeddings(encoder), batch_tokens=10_000, wait_seconds=1) as client, ThreadPoolExecutor(16) as pool:
        found = np.concatenate(list(pool.map(lambda text: vectors_of(asked(client, input=text)), texts)))
        assert metric(client.get("/metrics").text, "batch_samples_count") < 4
    np.testing.assert_allclose(found, alone, atol=1e-5)


# ---- predictions ----


def tuned_model(task: str) -> Model:
    """A fine-tuned model; contexts of questions need several samples."""
    model = finetuned_model(task)
    assert model.signature
    options = {"max_question_length": 2, "stride": 3} if task == "reading_comprehension" else {}
    return replace(model, signature=model.signature.model_copy(update={"options": options}))


@pytest.mark.parametrize("task", FINETUNED)
def test_predictions_are_those_of_the_predictor(task: str, tmp_path: Path) -> None:
    """Also if another client's inputs, with the same ids and groups, are computed together with them."""
    save_model(tmp_path, tuned_model(task))
    predictor, inputs = Predictor.load(tmp_path), INPUTS[task]
    requests = [inputs, inputs[:1], inputs[::-1]]
    expected = [json.loads(json.dumps([p.as_record() for p in predictor.predict(request)])) for request in requests]
    model = PredictionModel(predictor, "tuned", 20, 512)
    with served(model, batch_tokens=10_000, wait_seconds=0.3) as client, ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda inputs: client.post("/predict", json={"inputs": inputs}).json(), requests))
        assert metric(client.get("/metrics").text, "batch_samples_count") < 3
    for answer, predictions in zip(answers, expected, strict=True):
        assert (answer["model"], answer["task"]) == ("tuned", task) and answer["usage"]["prompt_tokens"] > 0
        assert_close(answer["predictions"], predictions)


def assert_close(found: Any, expected: Any) -> None:
    """Check that plain values are equal, and numbers within 1e-5."""
    assert type(found) is type(expected)
    if isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-5)
    elif isinstance(expected, dict | list):
        pairs = expected.items() if isinstance(expected, dict) else enumerate(expected)
        assert len(found) == len(expected)
        for key, value in pairs:
            assert_close(found[key], value)
    else:
        assert found == expected


# ---- mistakes of requests ----


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("{", 400, "request: not JSON in UTF-8: Expecting"),
        (b'{"input": "\xff"}', 400, "request: not JSON in UTF-8: 'utf-8'"),
        ("[" * 50_000, 400, "request: not JSON in UTF-8: maximum recursion"),
        ("", 400, "request: not JSON in UTF-8"),
        ("null", 400, "request: expected a mapping of keys to values, found null"),
        ("{}", 400, "request: key 'input' is missing"),
        ('{"inputs": ["a"]}', 400, "unknown key 'inputs'; did you mean 'input'?"),
        ('{"input": []}', 400, "input: expected a text, a list of token ids, or a list of either; found an empty list"),
        ('{"input": {"a": 1}}', 400, "input: expected a text"),
        ('{"input": [true]}', 400, "input 0: expected a text"),
        ('{"input": ["a", 3]}', 400, "input 1: expected a text"),
        ('{"input": [[1], []]}', 400, "input 1: expected a text"),
        ('{"input": [[5, -1]]}', 400, "input 0: token id -1 is not in the model's vocabulary"),
        ('{"input": [6, 1]}', 400, "input 0: token id 1 is [CLS], which is added; leave it out"),
        ('{"input": "a", "encoding_format": "hex"}', 400, "key 'encoding_format': expected 'float' or 'base64'"),
        ('{"input": "a", "dimensions": 8}', 400, "dimensions: 8, vectors of this model have 24"),
        ('{"input": "a", "model": "other"}', 404, "model: 'other' is not served here, but 'small'"),
        (json.dumps({"input": ["a"] * 21}), 413, "21 inputs, at most 20 are allowed in a request"),
        (json.dumps({"input": "a" * LIMITS.request_bytes}), 413, "the request has more than 65,536 bytes"),
    ],
)
def test_mistakes_of_a_request_are_named_in_one_line(
    client: httpx.Client, body: str | bytes, status: int, message: str
) -> None:
    response = client.post("/v1/embeddings", content=body)
    assert response.status_code == status
    error = response.json()["error"]
    assert message in error["message"] and "\n" not in error["message"] and error["code"] == status
    assert asked(client, input="w1").status_code == 200


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "request: key 'inputs': expected 1 or more entries"),
        ("w1", "request: key 'inputs': expected a list, found 'w1'"),
        (["w1", 7], "input 1: expected a text, or up to 2 fields"),
        ([{"text": "w1"}], "input 0: unknown key 'text'"),
    ],
)
def test_mistakes_of_inputs_are_those_of_the_predictor(predictions: httpx.Client, inputs: Any, message: str) -> None:
    response = predictions.post("/predict", json={"inputs": inputs})
    assert response.status_code == 400 and message in response.json()["error"]["message"]


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("tuned")
    save_model(folder, finetuned_model("classification"))
    with served(PredictionModel(Predictor.load(folder), "tuned", 20, 512)) as client:
        yield client


def test_other_paths_and_methods_say_what_is_served(client: httpx.Client, predictions: httpx.Client) -> None:
    wrong = [(client, "POST", "/predict", 404), (client, "GET", "/v1/embeddings", 405)]
    for asked_of, method, path, status in [*wrong, (predictions, "POST", "/v1/embeddings", 404)]:
        response, served_at = (
            asked_of.request(method, path),
            "/predict" if asked_of is predictions else "/v1/embeddings",
        )
        assert response.status_code == status and f"served at POST {served_at}" in response.json()["error"]["message"]


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 413)])
def test_a_body_of_unknown_length_may_be_as_long_as_the_limit(client: httpx.Client, over: int, status: int) -> None:
    body = b'{"input": "w1"}'

    def pieces() -> Iterator[bytes]:
        yield body
        yield b" " * (LIMITS.request_bytes - len(body) + over)

    assert client.post("/v1/embeddings", content=pieces()).status_code == status
    assert asked(client, input="w1").status_code == 200


def send_part(client: httpx.Client, end: int) -> bytes:
    """Send half of a request; return what is answered until the connection ends, or close it with `end` bytes read."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as connection:
        connection.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        return connection.recv(end) if end else b""


def test_a_request_that_never_arrives_holds_no_place(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(embeddings(encoder), Limits(1 << 16, queue=1)) as client:
        send_part(client, end=0)
        until(lambda: metric(client.get("/metrics").text, "requests_total", endpoint="/v1/embeddings", status=499) == 1)
        monkeypatch.setattr(app, "BODY_SECONDS", 0.1)
        assert b" 408 " in send_part(client, end=100)
        assert asked(client, input="w1").status_code == 200
    assert "Traceback" not in capfd.readouterr().err


def test_without_a_known_key_only_health_is_answered(encoder: Encoder) -> None:
    with served(embeddings(encoder), Limits(1 << 16, 10, keys=("first", "sécond"))) as client:
        body = {"input": "w1"}
        wrong: list[Any] = ["Bearer other", "Bearer firsT", "Bearer first2", "Bearer", b"\xff"]
        for given in ({}, *({"Authorization": value} for value in wrong)):
            response = client.post("/v1/embeddings", json=body, headers=given)
            assert response.status_code == 401 and response.headers["WWW-Authenticate"] == "Bearer"
            assert client.get("/metrics", headers=given).status_code == 401
            assert client.get("/openapi.json", headers=given).status_code == 401
            assert client.get("/health", headers=given).status_code == 200
        for key in ("first", "sécond"):
            given = {"Authorization": f"Bearer {key}".encode()}
            assert client.post("/v1/embeddings", json=body, headers=given).status_code == 200
            assert client.get("/metrics", headers=given).status_code == 200


# ---- load ----


class Held(ServedModel):
    """A model of a body's own making, which computes only when it may. It fails on the input -1."""

    path, Request = "/v1/embeddings", EmbeddingModel.Request

    def __init__(self) -> None:
        super().__init__("held", 1)
        self.go = threading.Event()

    def prepare(self, body: Any) -> Prepared:
        return Prepared(SampleBlock(np.array([1]), {"input_ids": np.array([body])}), None, 1)

    def compute(self, samples: SampleBlock) -> Results:
        assert self.go.wait(20)
        assert -1 not in samples.columns["input_ids"]
        return list(samples.columns["input_ids"])

    def answer(self, prepared: Prepared, results: Results) -> dict[str, Any]:
        return {"found": int(results[0])}


def test_a_full_queue_refuses_and_answers_what_it_took() -> None:
    model = Held()
    with served(model, Limits(100, queue=3)) as client, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(client.post, "/v1/embeddings", json=number) for number in range(3)]
        until(lambda: metric(client.get("/metrics").text, "queue_requests") == 3)
        refused = client.post("/v1/embeddings", json=4)
        assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["error"]["message"].startswith("3 requests wait already")
        assert client.get("/health").status_code == 200
        model.go.set()
        assert [future.result().json() for future in waiting] == [{"found": number} for number in range(3)]
        assert client.post("/v1/embeddings", json=5).json() == {"found": 5}
        assert metric(client.get("/metrics").text, "queue_requests") == 0


def test_a_fault_of_the_server_is_no_mistake_of_the_client_and_ends_nothing() -> None:
    model = Held()
    model.go.set()
    with served(model) as client:
        response = client.post("/v1/embeddings", json=-1)
        assert response.status_code == 500 and response.json()["error"]["type"] == "server_error"
        assert client.post("/v1/embeddings", json=2).json() == {"found": 2}
        assert metric(client.get("/metrics").text, "requests_total", endpoint="/v1/embeddings", status=500) == 1


def test_metrics_and_log_count_what_happened(encoder: Encoder, capfd: pytest.CaptureFixture[str]) -> None:
    with served(embeddings(encoder)) as client:
        texts = ["w1 w2", "w3 " * 40]
        for body in ({"input": texts}, {"input": "w5"}, {"inputs": []}):
            client.post("/v1/embeddings", json=body)
        client.get("/secret")
        text = client.get("/metrics").text
    tokens = 4 + POSITIONS + 3
    embedded = {"endpoint": "/v1/embeddings"}
    assert metric(text, "requests_total", **embedded, status=200) == 2
    assert metric(text, "requests_total", **embedded, status=400) == 1
    assert metric(text, "requests_total", endpoint="other", status=404) == 1
    assert metric(text, "request_seconds_count", **embedded) == 3
    assert metric(text, "request_seconds_bucket", **embedded, le="+Inf") == 3
    assert metric(text, "tokens_total") == metric(text, "batch_tokens_sum") == tokens
    assert metric(text, "batch_samples_sum") == 3 and metric(text, "cut_texts_total") == 1
    first, second, third, *_ = [line for line in capfd.readouterr().err.splitlines() if "/v1/embeddings" in line]
    assert first.endswith(f"inputs=2 tokens={4 + POSITIONS} cut=1") and "status=200" in first
    assert second.endswith("inputs=1 tokens=3 cut=0") and third.endswith(tuple("0123456789")) and "status=400" in third


def test_health_names_the_model(client: httpx.Client) -> None:
    expected = {"status": "ready", "model": "small", "endpoint": "/v1/embeddings"}
    assert client.get("/health").json() == expected


def test_fine_tuned_models_predict_and_others_embed(tmp_path: Path) -> None:
    for name, model in (("tuned", finetuned_model("classification")), ("small", MODEL)):
        (tmp_path / name).mkdir()
        save_model(tmp_path / name, model)
    assert [usual_endpoint(tmp_path / name) for name in ("tuned", "small")] == ["predict", "embeddings"]
