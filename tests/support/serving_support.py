"""Services for tests: in a thread of this process or in a process, always behind a real socket."""

import base64
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn

from ernie_paddle.serving.app import Limits, Service, build_app
from ernie_paddle.serving.models import ServedModel
from ernie_paddle.serving.server import Server, bound_socket

LIMITS = Limits(request_bytes=1 << 16, queue=100)


@contextmanager
def served(
    model: ServedModel, limits: Limits = LIMITS, batch_tokens: int = 512, wait_seconds: float = 0.0
) -> Iterator[httpx.Client]:
    """Serve a model in a thread; yield a client."""
    service = Service(model, limits, batch_tokens, wait_seconds)
    config = uvicorn.Config(build_app(service, log=True), log_config=None, access_log=False, lifespan="off")
    ready = threading.Event()
    with bound_socket("127.0.0.1", 0) as listener:
        server = Server(config, "test", lambda address: ready.set())
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert ready.wait(30)
            port = listener.getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
            service.close()


@dataclass
class ServerProcess:
    """`ernie-paddle serve` in a process, and its address."""

    process: "subprocess.Popen[str]"
    url: str

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit code and standard error."""
        self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=60)
        return self.process.returncode, stderr


@contextmanager
def serve_process(model: Path, *options: object) -> Iterator[ServerProcess]:
    """Run `ernie-paddle serve` on a free port until the block ends."""
    command = [sys.executable, "-m", "ernie_paddle", "serve", str(model), "--port", "0", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        try:
            found = re.match(r"(http://127.0.0.1:\d+)/", process.stdout.readline())
            assert found, process.stderr.read()
            yield ServerProcess(process, found[1])
        finally:
            process.kill()


def vectors_of(response: httpx.Response) -> np.ndarray:
    """Return the vectors of an answer in either format, [texts, hidden]."""
    assert response.status_code == 200, response.text
    entries = response.json()["data"]
    assert [entry["index"] for entry in entries] == list(range(len(entries)))
    return np.array([_vector(entry["embedding"]) for entry in entries], np.float32)


def _vector(embedding: str | Sequence[float]) -> np.ndarray:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), "<f4")
    return np.array(embedding, np.float32)


def metric(text: str, name: str, **labels: Any) -> float:
    """Return the value of a metric in Prometheus's text form, 0 if it is not there."""
    written = ",".join(f'{label}="{value}"' for label, value in labels.items())
    full = f"ernie_paddle_{name}" + (f"{{{written}}}" if labels else "")
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{full} ")), 0.0)


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, ten seconds at most."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen in ten seconds")
