"""The HTTP application: endpoints, limits, errors, metrics."""

import asyncio
import hmac
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ernie_paddle import __version__
from ernie_paddle.errors import UserError
from ernie_paddle.serving.batching import Batcher
from ernie_paddle.serving.models import Prepared, RequestError, ServedModel
from ernie_paddle.text.cleaning import load_json

RETRY_SECONDS = 1
THREADS = 4  # for JSON and tokenisation, which would hold up the event loop
BODY_SECONDS = 30  # a slow client holds a place in the queue
HEALTH, METRICS = "/health", "/metrics"
CLIENT_GONE = 499  # as nginx logs it
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = tuple(2**power for power in range(0, 15))
TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error"}  # others: invalid_request_error


@dataclass(frozen=True)
class Limits:
    """What the service accepts: bytes of a request, requests at the same time, and API keys, none if all may use it."""

    request_bytes: int
    queue: int
    keys: tuple[str, ...] = ()


class Metrics:
    """What Prometheus reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

        def named(kind: Any, name: str, text: str, *labels: str, **options: Any) -> Any:
            return kind(f"ernie_paddle_{name}", text, labels, registry=self.registry, **options)

        self.requests = named(Counter, "requests", "Requests by endpoint and HTTP status.", "endpoint", "status")
        self.seconds = named(
            Histogram, "request_seconds", "Seconds from request to answer.", "endpoint", buckets=SECONDS
        )
        self.queue = named(Gauge, "queue_requests", "Requests that wait or are computed.")
        self.tokens = named(Counter, "tokens", "Tokens that were computed, without padding.")
        self.cut = named(Counter, "cut_texts", "Texts longer than the model's longest input, which were cut.")
        self.batch_samples = named(Histogram, "batch_samples", "Samples of a batch.", buckets=SIZES)
        self.batch_tokens = named(Histogram, "batch_tokens", "Tokens of a batch, without padding.", buckets=SIZES)

    def observe_batch(self, samples: int, tokens: int) -> None:
        """Count a batch."""
        self.tokens.inc(tokens)
        self.batch_samples.observe(samples)
        self.batch_tokens.observe(tokens)


class Service:
    """Answers requests to a model. `close` ends its threads."""

    def __init__(self, model: ServedModel, limits: Limits, batch_tokens: int, wait_seconds: float):
        self.model, self.limits, self.metrics = model, limits, Metrics()
        self._batcher = Batcher(model.compute, batch_tokens, wait_seconds, self.metrics.observe_batch)
        self._threads = ThreadPoolExecutor(THREADS, "requests")
        self._admitted = 0

    def drop_waiting(self) -> None:
        """Forget the requests that wait."""
        self._batcher.drop_waiting()

    def close(self) -> None:
        """Compute what was submitted and end the threads."""
        self._batcher.close()
        self._threads.shutdown()

    async def answer(self, request: Request) -> Response:
        """Return the model's answer.

        Raises:
            UserError: the request is not what the model takes, is too large, or too many others wait.
        """
        with self._admission():
            body = await self._body(request)
            loop = asyncio.get_running_loop()
            prepared = await loop.run_in_executor(self._threads, self._prepare, body)
            request.state.prepared = prepared  # for the log
            results = await asyncio.wrap_future(self._batcher.submit(prepared.samples))
            return await loop.run_in_executor(self._threads, lambda: JSONResponse(self.model.answer(prepared, results)))

    async def _body(self, request: Request) -> bytes:
        reading = read_body(request, self.limits.request_bytes)
        try:
            return await asyncio.wait_for(reading, BODY_SECONDS)
        except asyncio.TimeoutError:
            raise RequestError(408, f"the request did not arrive within {BODY_SECONDS} s") from None

    def _prepare(self, body: bytes) -> Prepared:
        try:
            tree, _ = load_json(body.decode())
        except (ValueError, RecursionError) as error:
            raise UserError(f"request: not JSON in UTF-8: {error}") from None
        prepared = self.model.prepare(tree)
        self.metrics.cut.inc(prepared.cut)
        return prepared

    @contextmanager
    def _admission(self) -> Iterator[None]:
        if self._admitted >= self.limits.queue:
            raise RequestError(429, f"{self._admitted:,} requests wait already; try again in {RETRY_SECONDS} s")
        self._admitted += 1
        self.metrics.queue.set(self._admitted)
        try:
            yield
        finally:
            self._admitted -= 1
            self.metrics.queue.set(self._admitted)


async def read_body(request: Request, most: int) -> bytes:
    """Read the body of a request.

    Raises:
        RequestError: it has more than `most` bytes; no more are read.
    """
    announced = request.headers.get("content-length", "")
    body = bytearray()
    if not announced.isdigit() or int(announced) <= most:
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                break
        else:
            return bytes(body)
    raise RequestError(413, f"the request has more than {most:,} bytes; send fewer texts in a request")


def build_app(service: Service, log: bool) -> FastAPI:
    """Return the application. With `log`, each request prints a line on standard error."""
    model = service.model
    app = FastAPI(title="ernie-paddle", version=__version__)
    app.add_middleware(Recorder, service=service, log=log)

    async def answer(request: Request) -> Response:
        try:
            return await service.answer(request)
        except (UserError, ClientDisconnect):
            raise
        except asyncio.CancelledError:  # Ctrl-C came twice
            return as_error(request, RequestError(503, "the server was stopped"))
        except Exception as error:  # uvicorn would close the connection
            traceback.print_exc()
            return as_error(request, error)

    async def health() -> dict[str, str]:
        return {"status": "ready", "model": model.name, "endpoint": model.path}

    async def metrics() -> Response:
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    def with_path(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reason = f"{request.method} {request.url.path}: {error.detail}; {model.name!r} is served at POST {model.path}"
        return as_error(request, RequestError(error.status_code, reason))

    schema = {"required": True, "content": {"application/json": {"schema": model.Request.model_json_schema()}}}
    app.post(model.path, openapi_extra={"requestBody": schema})(answer)
    app.get(HEALTH)(health)
    app.get(METRICS)(metrics)
    app.add_exception_handler(UserError, as_error)
    app.add_exception_handler(HTTPException, with_path)
    app.add_exception_handler(ClientDisconnect, lambda request, error: Response(status_code=CLIENT_GONE))
    return app


def as_error(request: Request, error: Exception) -> JSONResponse:
    """Return an error in the form of OpenAI's API, in one line."""
    status, message = 500, "an error of the server; its log has more"
    headers = dict[str, str]()
    if isinstance(error, UserError):
        status, message = (error.status if isinstance(error, RequestError) else 400), " ".join(str(error).split())
    if status == 429:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    kind = TYPES.get(status, "invalid_request_error")
    return JSONResponse({"error": {"message": message, "type": kind, "code": status}}, status, headers)


class Recorder:
    """Middleware that checks the API key, and counts, times and logs each request."""

    def __init__(self, app: ASGIApp, service: Service, log: bool):
        self._app, self._service, self._log = app, service, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = time.perf_counter(), 500

        async def recorded(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._checked(scope, receive, recorded)
        finally:
            self._record(scope, status, time.perf_counter() - began)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, keys = Request(scope), self._service.limits.keys
        if keys and scope["path"] != HEALTH and not has_key(request, keys):
            error = RequestError(401, "no API key, or an unknown one; send Authorization: Bearer KEY")
            return await as_error(request, error)(scope, receive, send)
        await self._app(scope, receive, send)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        endpoint = path if path in (self._service.model.path, HEALTH, METRICS) else "other"
        self._service.metrics.requests.labels(endpoint, str(status)).inc()
        self._service.metrics.seconds.labels(endpoint).observe(seconds)
        if self._log:
            prepared = scope.get("state", {}).get("prepared")
            sizes = f" inputs={prepared.inputs} tokens={prepared.tokens} cut={prepared.cut}" if prepared else ""
            moment = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            line = f"{moment} {scope['method']} {path!a} status={status} ms={1e3 * seconds:.1f}{sizes}"
            print(line, file=sys.stderr, flush=True)


def has_key(request: Request, keys: tuple[str, ...]) -> bool:
    """Check a request's key. The time does not depend on where it differs from a known one."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ").encode("latin-1")
    return any(hmac.compare_digest(given, key.encode()) for key in keys)
