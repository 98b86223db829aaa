"""`ernie-paddle serve`."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_paddle.arguments import RUNS, input_file, milliseconds, port, positive
from ernie_paddle.commands.predict import add_inference_options
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_lines
from ernie_paddle.registry import Command, Registry
from ernie_paddle.stopping import Stopped

if TYPE_CHECKING:
    from ernie_paddle.serving.models import ServedModel

LIBRARIES = ("fastapi", "uvicorn", "prometheus_client")
INSTALL = "pip install 'ernie-paddle[serve]'"
BATCH_TOKENS = 512  # larger batches keep others waiting, and are no faster on CPUs
LOCAL = ("127.0.0.1", "localhost", "::1")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=f"folder of a model, of a run, or of an export; {RUNS}")
    parser.add_argument("--host", default=LOCAL[0], help="address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=port, default=8000, help="port to listen on; 0 takes a free one (default: 8000)")
    parser.add_argument("--name", help="name of the model in requests and answers (default: that of its folder)")
    parser.add_argument(
        "--endpoint",
        choices=("embeddings", "predict"),
        help="what to serve: /v1/embeddings or /predict (default: /predict for fine-tuned models)",
    )
    parser.add_argument(
        "--pooling",
        choices=("mean", "cls", "pooled"),
        default="mean",
        help="of embeddings: mean of all tokens (default), the first token, or the first token through the pooler",
    )
    parser.add_argument("--normalize", action="store_true", help="give embeddings the length 1")
    add_inference_options(parser, rows=False, batch_tokens=BATCH_TOKENS)
    parser.add_argument(
        "--wait-ms", type=milliseconds, default=2, help="milliseconds that a request waits for others (default: 2)"
    )
    parser.add_argument(
        "--queue", type=positive, default=512, help="requests at the same time; more get status 429 (default: 512)"
    )
    parser.add_argument(
        "--max-inputs", type=positive, default=2048, help="texts or inputs of a request (default: 2048)"
    )
    parser.add_argument(
        "--max-bytes", type=positive, default=1 << 20, help="bytes of a request (default: 1048576, 1 MiB)"
    )
    parser.add_argument("--api-key-file", type=input_file, help="file with an API key in each line (default: no keys)")
    parser.add_argument("--log-requests", action="store_true", help="print a line on standard error for each request")


def run(args: argparse.Namespace, registry: Registry) -> None:
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise UserError(f"serve needs {', '.join(missing)}: {INSTALL}")
    from ernie_paddle.serving.app import Limits, Service, build_app
    from ernie_paddle.serving.server import bound_socket, run_server

    limits = Limits(args.max_bytes, args.queue, read_keys(args.api_key_file) if args.api_key_file else ())
    with bound_socket(args.host, args.port) as listener:
        model = load(args, registry)
        service = Service(model, limits, args.batch_tokens, args.wait_ms / 1000)

        def ready(address: str) -> None:
            print(f"{address}{model.path}: serves {model.name}", flush=True)
            if args.host not in LOCAL and not limits.keys:
                print("warning: anybody who reaches this address may use it; see --api-key-file", file=sys.stderr)

        try:
            run_server(build_app(service, args.log_requests), listener, ready)
        except Stopped:
            service.drop_waiting()
            raise
        finally:
            service.close()


def read_keys(path: Path) -> tuple[str, ...]:
    """Return the API keys of a file.

    Raises:
        UserError: it cannot be read or has none.
    """
    keys = tuple(filter(None, map(str.strip, read_lines(path, "file of API keys"))))
    if not keys:
        raise UserError(f"{path}: no API key; write one in each line")
    return keys


def load(args: argparse.Namespace, registry: Registry) -> "ServedModel":
    """Open the model, and run it once.

    Raises:
        UserError: it cannot be opened, or has no such endpoint.
    """
    from ernie_paddle.inference.encoder import Encoder
    from ernie_paddle.inference.predictor import Predictor
    from ernie_paddle.serving.models import EmbeddingModel, PredictionModel, usual_endpoint

    name = args.name or args.model.resolve().name
    if (args.endpoint or usual_endpoint(args.model)) == "predict":
        predictor = Predictor.load(args.model, precision=args.precision, registry=registry)
        return PredictionModel(predictor, name, args.max_inputs, args.batch_tokens)
    encoder = Encoder.load(args.model, precision=args.precision)
    return EmbeddingModel(encoder, name, args.max_inputs, args.pooling, args.normalize, args.batch_tokens)


COMMAND = Command(
    name="serve",
    help="answer HTTP requests for embeddings or predictions, batched over all clients",
    example="ernie-paddle serve runs/reviews --port 8000",
    configure=configure,
    run=run,
    after_stop="requests that waited were not answered",
)
