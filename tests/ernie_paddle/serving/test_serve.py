"""`ernie-paddle serve` under load, when it is stopped, and when it cannot start."""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers import Run, assert_user_error
from weights_support import finetuned_model, random_model

pytest.importorskip("prometheus_client", reason="needs the extra serve: pip install -e '.[serve]'")

import httpx
from fastapi import FastAPI
from serving_support import ServerProcess, metric, serve_process, until, vectors_of

from ernie_paddle import Encoder
from ernie_paddle.commands import serve
from ernie_paddle.errors import UserError
from ernie_paddle.model.saved import save_model
from ernie_paddle.serving.server import bound_socket, run_server

CLIENTS, SECONDS = 64, 3.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve") / "small"
    folder.mkdir()
    save_model(folder, random_model())
    return folder


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Texts of all lengths, none like another."""
    random = np.random.default_rng(1)
    drawn = (" ".join(f"w{i}" for i in random.integers(0, 35, random.integers(1, 15))) for _ in range(400))
    return sorted(set(drawn))


@pytest.fixture(scope="module")
def vectors(model: Path, texts: list[str]) -> np.ndarray:
    found = Encoder.load(model).encode(texts)
    distances = np.abs(found[:, None] - found[None]).max(axis=-1) + np.eye(len(texts))
    assert distances.min() > 1e-3, "an answer for another text would be noticed"
    return found


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[ServerProcess]:
    with serve_process(model, "--queue", CLIENTS) as server:
        yield server


def test_many_clients_at_once_get_the_answers_to_their_own_requests(
    server: ServerProcess, texts: list[str], vectors: np.ndarray
) -> None:
    ends = time.monotonic() + SECONDS

    async def client(number: int, http: httpx.AsyncClient) -> int:
        random, answered = np.random.default_rng(number), 0
        while time.monotonic() < ends:
            rows = random.integers(0, len(texts), random.integers(1, 6))
            encoding_format = "base64" if number % 2 else "float"
            body = {"input": [texts[row] for row in rows], "encoding_format": encoding_format}
            found = vectors_of(await http.post("/v1/embeddings", json=body))
            np.testing.assert_allclose(found, vectors[rows], atol=1e-5)
            answered += 1
        return answered

    async def all_clients() -> list[int]:
        limits = httpx.Limits(max_connections=CLIENTS)
        async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=30) as http:
            return await asyncio.gather(*(client(number, http) for number in range(CLIENTS)))

    answered = asyncio.run(all_clients())
    assert min(answered) > 0
    text = httpx.get(f"{server.url}/metrics").text
    assert metric(text, "requests_total", endpoint="/v1/embeddings", status=200) == sum(answered)
    assert metric(text, "batch_samples_count") < sum(answered), "clients share batches"


def test_a_stop_answers_all_accepted_requests_and_ends_with_success(
    model: Path, texts: list[str], vectors: np.ndarray
) -> None:
    """The clients keep their connections open."""
    count = 8
    answers = dict[int, np.ndarray]()
    with serve_process(model, "--batch-tokens", "16") as server, ThreadPoolExecutor(count) as pool:
        with (
            httpx.Client(base_url=server.url, timeout=60) as idle,
            httpx.Client(base_url=server.url, timeout=60) as http,
        ):
            assert idle.get("/health").json()["status"] == "ready"

            def ask(number: int) -> None:
                answers[number] = vectors_of(http.post("/v1/embeddings", json={"input": texts[number:]}))

            asked = [pool.submit(ask, number) for number in range(count)]
            until(lambda: metric(idle.get("/metrics").text, "tokens_total") > 0)
            until(lambda: metric(idle.get("/metrics").text, "queue_requests") == count)
            code, stderr = server.stop()
            for future in asked:
                future.result()
        assert (code, stderr) == (0, "")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/health")
    for number in range(count):
        np.testing.assert_allclose(answers[number], vectors[number:], atol=1e-5)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_requests(server: ServerProcess, texts: list[str]) -> None:
    with httpx.Client(base_url=server.url) as http, ThreadPoolExecutor(4) as pool:

        def ask(number: int) -> None:
            size = 1 + number % 7
            start = number % (len(texts) - size)
            assert http.post("/v1/embeddings", json={"input": texts[start : start + size]}).status_code == 200

        def memory_after(requests: int) -> float:
            list(pool.map(ask, range(requests)))
            lines = http.get("/metrics").text.splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith("process_resident_memory_bytes"))

        early = memory_after(1000)
        assert memory_after(4000) - early < 8 << 20


# ---- what cannot be served ----


def test_mistakes_are_named_before_anything_is_served(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert_user_error(
            *run("serve", model, "--port", port), f"--port {port}: cannot be used: Address already in use"
        )
    assert_user_error(*run("serve", model, "--port", 65536), "--port", "'65536'", "0 to 65535")
    assert_user_error(*run("serve", model, "--port", 0, "--host", "no.such.host.invalid"), "no.such.host.invalid")
    (tmp_path / "keys").write_text("\n  \n")
    assert_user_error(*run("serve", model, "--port", 0, "--api-key-file", tmp_path / "keys"), "keys: no API key")
    assert_user_error(*run("serve", tmp_path, "--port", 0), str(tmp_path))
    assert_user_error(*run("serve", model, "--port", 0, "--endpoint", "predict"), "not a fine-tuned model")
    headless = finetuned_model("sequence_labelling")  # which has no pooler
    save_model(tmp_path, headless)
    code, stderr = run("serve", tmp_path, "--port", 0, "--endpoint", "embeddings", "--pooling", "pooled")
    assert_user_error(code, stderr, "the model has no pooler")
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "uvicorn" else name)
    assert_user_error(*run("serve", model, "--port", 0), "serve needs uvicorn: pip install 'ernie-paddle[serve]'")


def test_a_port_opens_when_the_model_is_loaded_and_the_first_server_gets_it() -> None:
    with bound_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with bound_socket("127.0.0.1", port) as second:
            first.listen()
            with pytest.raises(UserError, match=f"http://127.0.0.1:{port}: cannot be used: Address already in use"):
                run_server(FastAPI(), second, lambda address: pytest.fail("it is not ready"))


def test_keys_are_read_without_blanks(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("first\n\n second \r\n", encoding="utf-8")
    assert serve.read_keys(tmp_path / "keys") == ("first", "second")
