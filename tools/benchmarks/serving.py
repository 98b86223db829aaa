"""`ernie-paddle serve` beside infinity-emb with the same model, asked by many clients. Run by tools/benchmark.sh.

Each client asks for one text at a time, and for the next as soon as it has the answer. Every answer is compared with
what the encoder computes here. The clients share the machine with the server.
"""

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from comparing import CONSOLE, OUT, Spread
from rich.table import Table

from ernie_paddle import Encoder
from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json
from ernie_paddle.inference.export import export
from ernie_paddle.keyed_random import generator
from ernie_paddle.registry import load_plugins

TEXTS, WORDS = 500, (5, 60)
TOLERANCE = {"serve": 1e-5, "infinity": 1e-4}  # of vectors with length 1
START_SECONDS = 120


@dataclass(frozen=True)
class Load:
    """What clients got from a server: the seconds of each answer, and how long all took together.

    `cpu_seconds` are those of the server, which other programs on the machine hardly change.
    """

    latencies: list[float]
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of a CPU for a request."""
        return 1e3 * self.cpu_seconds / len(self.latencies)

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies in milliseconds."""
        return float(np.percentile(self.latencies, share) * 1e3)


@dataclass(frozen=True)
class Server:
    """The URL and the process of a server."""

    url: str
    process: int

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process so far (proc(5): fields 14 and 15)."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", choices=["serving"])
    parser.add_argument("--model", type=Path, required=True, help="folder of an encoder")
    parser.add_argument(
        "--infinity", type=Path, help="command infinity_emb (default: measure ernie-paddle serve alone)"
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))  # of both servers
    texts = random_texts(Encoder.load(args.model))
    vectors = Encoder.load(args.model).encode(texts, normalize=True)
    measured: dict[int, dict[str, list[Load]]] = {clients: {} for clients in args.clients}
    with ExitStack() as stack:
        servers = {"serve": stack.enter_context(running("serve", ours(args.model)))}
        if args.infinity:
            servers["infinity"] = stack.enter_context(running("infinity", infinity(args.infinity, args.model)))
        for _ in range(args.rounds):
            for clients in args.clients:
                for name, server in servers.items():
                    load = asyncio.run(loaded(server, clients, args.seconds, texts, vectors, TOLERANCE[name]))
                    measured[clients].setdefault(name, []).append(load)
        CONSOLE.print(table(measured))
    write_json(OUT / "serving.json", {str(clients): records(loads) for clients, loads in measured.items()})


def records(by_server: dict[str, list[Load]]) -> dict[str, list[dict[str, float]]]:
    """Return the figures of each round by server."""
    return {
        name: [
            {
                "requests": len(load.latencies),
                "requests_per_second": load.rate,
                "p50_ms": load.percentile(50),
                "p99_ms": load.percentile(99),
                "cpu_ms": load.cpu_ms,
            }
            for load in loads
        ]
        for name, loads in by_server.items()
    }


def random_texts(encoder: Encoder) -> list[str]:
    """Return texts of random whole words of the model's vocabulary."""
    words = [token for token in encoder.vocabulary.ids if token.isalpha()]
    random = generator("benchmark", "serving")
    return [" ".join(random.choice(words, random.integers(*WORDS))) for _ in range(TEXTS)]


def ours(model: Path) -> tuple[list[str], str]:
    """Return the command of `ernie-paddle serve` and the URL of its embeddings."""
    port = free_port()
    command = [sys.executable, "-m", "ernie_paddle", "serve", str(model), "--normalize", "--port", str(port)]
    return command, f"http://127.0.0.1:{port}/v1/embeddings"


def infinity(command: Path, model: Path) -> tuple[list[str], str]:
    """Export the model as plain BERT; return infinity-emb's command for it and the URL of its embeddings."""
    folder, port = OUT / "serving" / "bert", free_port()
    shutil.rmtree(folder, ignore_errors=True)
    export(model, folder, load_plugins(), "bert")
    options = "--engine torch --device cpu --dtype float32 --no-bettertransformer --no-model-warmup --log-level warning"
    arguments = ["v2", "--model-id", str(folder), "--port", str(port), *options.split()]
    return [str(command), *arguments], f"http://127.0.0.1:{port}/embeddings"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(name: str, started: tuple[list[str], str]) -> Iterator[Server]:
    """Run a server until the block ends; yield it when it answers. It logs to `<name>.log`."""
    command, url = started
    log = OUT / "serving" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    with open(log, "w") as file, subprocess.Popen(command, stdout=file, stderr=file, env=environment) as process:
        try:
            for _ in range(START_SECONDS):
                if process.poll() is not None:
                    raise UserError(f"{' '.join(command)} ended; see {log}")
                try:
                    httpx.post(url, json={"input": "first"}, timeout=30).raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(1)
            yield Server(url, process.pid)
        finally:
            process.terminate()


async def loaded(
    server: Server, clients: int, seconds: float, texts: list[str], vectors: np.ndarray, tolerance: float
) -> Load:
    """Let clients ask for `seconds`, each for a text after the other.

    Raises:
        UserError: an answer is missing, or is not the text's vector.
    """
    url, latencies = server.url, list[float]()
    ends = time.perf_counter() + seconds

    async def client(number: int, http: httpx.AsyncClient) -> None:
        row = number * len(texts) // clients
        while (began := time.perf_counter()) < ends:
            response = await http.post(url, json={"input": [texts[row]]})
            latencies.append(time.perf_counter() - began)
            if response.status_code != httpx.codes.OK:
                raise UserError(f"{url}: {response.status_code}: {response.text[:200]}")
            found = np.array(response.json()["data"][0]["embedding"], np.float32)
            if not np.allclose(found, vectors[row], atol=tolerance):
                raise UserError(f"{url}: the vector of text {row} differs by {np.abs(found - vectors[row]).max():.1e}")
            row = (row + 1) % len(texts)

    began, cpu_began = time.perf_counter(), server.cpu_seconds()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(limits=limits, timeout=60) as http:
        await asyncio.gather(*(client(number, http) for number in range(clients)))
    return Load(latencies, time.perf_counter() - began, server.cpu_seconds() - cpu_began)


def table(measured: dict[int, dict[str, list[Load]]]) -> Table:
    """Return a table of the medians over the rounds, and of the ratios of requests per second with their range."""
    shown = Table("clients", "server", title="one text in a request, medians over the rounds")
    for column in (
        "requests",
        "requests/s",
        "p50, ms",
        "p99, ms",
        "CPU ms/request",
        "serve / peer in requests/s",
        "in CPU time",
    ):
        shown.add_column(column, justify="right")
    for clients, by_server in measured.items():
        for name, loads in by_server.items():
            pairs = list(zip(by_server["serve"], loads, strict=True))
            rates = Spread.of([ours.rate / load.rate for ours, load in pairs])
            times = Spread.of([ours.cpu_ms / load.cpu_ms for ours, load in pairs])
            count = sum(len(load.latencies) for load in loads)
            rate = statistics.median(load.rate for load in loads)
            p50, p99 = (statistics.median(load.percentile(share) for load in loads) for share in (50, 99))
            cpu = statistics.median(load.cpu_ms for load in loads)
            figures = (
                f"{count:,}",
                f"{rate:,.1f}",
                f"{p50:,.0f}",
                f"{p99:,.0f}",
                f"{cpu:,.1f}",
                str(rates),
                str(times),
            )
            shown.add_row(str(clients), name, *figures)
    return shown


if __name__ == "__main__":
    main()
