"""Checks of single operators and of the reader that feeds ahead."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import paddle
from paddle.nn import functional as F

from ernie_paddle.checks.check import Bench, Check, Outcome, Programs, of_gpu_programs
from ernie_paddle.data.feeds import Feed
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.building import new_program, operator_ids
from ernie_paddle.programs.collectives import all_reduce
from ernie_paddle.programs.device_feeds import DeviceFeeds
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.settings import Precision

ROWS, HIDDEN, CLASSES, PIECES = 64, 64, 100, 200
DETERMINISTIC = ("FLAGS_embedding_deterministic", "FLAGS_cudnn_deterministic")  # which `impl.repeatable` sets
FEEDS, FEED_SIZE = 100, 4096
LONG_PRODUCTS = 8  # of the program that keeps the device busy meanwhile
DRAWS, RATE = 1 << 18, 0.1

Inputs = dict[str, Any]  # Values by name: see `_inputs`

# The operators in use, as functions of the backend and the inputs. Attention and AdamW have their own checks.
OPERATORS: dict[str, Callable[[Backend, Inputs], Any]] = {
    "linear": lambda backend, inputs: backend.linear(inputs["x"], inputs["weight"], inputs["bias"]),
    "vocabulary scores": lambda backend, inputs: backend.vocabulary_scores(
        inputs["x"], inputs["table"], inputs["table_bias"]
    ),
    "large table": lambda backend, inputs: backend.look_up(inputs["ids"], inputs["table"], False),
    "small table": lambda backend, inputs: backend.look_up(inputs["ids"], inputs["table"], True),
    "LayerNorm": lambda backend, inputs: F.layer_norm(inputs["x"], (HIDDEN,), inputs["scale"], inputs["bias"]),
    "gelu": lambda backend, inputs: F.gelu(backend.low(inputs["x"])),
    "relu": lambda backend, inputs: F.relu(backend.low(inputs["x"])),
    "tanh": lambda backend, inputs: paddle.tanh(inputs["x"]),
    "dropout": lambda backend, inputs: F.dropout(backend.low(inputs["x"]), RATE),
    "gather": lambda backend, inputs: paddle.gather(inputs["x"], inputs["ids"] % ROWS),
    "cross entropy": lambda backend, inputs: F.cross_entropy(
        paddle.matmul(inputs["x"], inputs["table"], transpose_y=True), paddle.unsqueeze(inputs["ids"], -1)
    ),
    "split of a group": lambda backend, inputs: paddle.add_n(
        paddle.split(backend.low(paddle.reshape(inputs["vector"], [-1])), PIECES)
    ),
}


def operators_in_use(programs: Programs, bench: Bench) -> Outcome:
    """Build and run each operator and its gradient, in each precision of the device."""
    precisions: tuple[Precision, ...] = ("fp32", *programs.low)
    errors = {}
    for precision in precisions:
        backend = programs.backend(precision)
        for name, build in OPERATORS.items():
            if error := _error_of(backend, build):
                errors[f"{name}, {precision}"] = error
    count = len(OPERATORS) * len(precisions)
    shown = "; ".join(f"{name}: {error}" for name, error in errors.items())
    return Outcome(not errors, {"run": count, "failed": len(errors)}, shown)


def _inputs() -> Inputs:
    shapes = {
        "x": [ROWS, HIDDEN],
        "weight": [HIDDEN, HIDDEN],
        "scale": [HIDDEN],
        "bias": [HIDDEN],
        "table": [CLASSES, HIDDEN],
    }
    shapes |= {"table_bias": [CLASSES], "vector": [PIECES * 16]}
    inputs = {name: paddle.static.data(name, shape, "float32") for name, shape in shapes.items()}
    for value in inputs.values():
        value.stop_gradient = False
    return inputs | {"ids": paddle.static.data("ids", [ROWS], "int64")}


def _error_of(backend: Backend, build: Callable[[Backend, Inputs], Any]) -> str:
    """Return what is wrong with an operator and its gradients, empty if nothing is."""
    random = np.random.default_rng(0)
    try:
        with new_program() as main:
            inputs = _inputs()
            loss = paddle.sum(paddle.cast(build(backend, inputs), "float32"))
            forward = operator_ids()
            used = [value for name, value in inputs.items() if name != "ids" and value.all_used_ops()]
            gradients = paddle.static.gradients([loss], used)
            sums = [paddle.sum(paddle.cast(gradient, "float32")) for gradient in gradients if gradient is not None]
            backend.finish(main, forward)
        feed = {
            name: random.standard_normal(value.shape, np.float32) for name, value in inputs.items() if name != "ids"
        }
        feed["ids"] = random.integers(0, CLASSES, ROWS)
        found = paddle.static.Executor(backend.place).run(main, feed=feed, fetch_list=[loss, *sums])
    except Exception as error:
        return f"{type(error).__name__} {' '.join(str(error).split())[-200:]}"
    return "" if all(np.isfinite(array).all() for array in found) else "not finite"


def share_dropped(backend: Backend, key: int) -> float:
    """Return the share of values that dropout at `RATE` sets to 0."""
    with new_program() as main:
        dropout = Dropout(True, backend.feeds_masks)
        dropped = dropout(paddle.ones([DRAWS // HIDDEN, HIDDEN]), RATE, (DRAWS // HIDDEN, HIDDEN))
        kept = paddle.sum(paddle.cast(dropped != 0, "float32"))
    paddle.seed(key)
    feed = {mask.feed.name: mask.sample({}, key) for mask in dropout.masks}
    return 1 - float(paddle.static.Executor(backend.place).run(main, feed=feed, fetch_list=[kept])[0]) / DRAWS


def feeds_ahead(programs: Programs, bench: Bench) -> Outcome:
    """Sum arrays that are fed ahead, while other work keeps the device busy; compare with numpy's sums."""
    backend, random = programs.backend(), np.random.default_rng(0)
    executor, busy = paddle.static.Executor(backend.place), _long_program(4096 if programs.is_gpu else 128)
    with new_program() as main:
        array = paddle.static.data("array", [-1], "int32")
        total = paddle.sum(paddle.cast(array, "int64"))
    arrays = [random.integers(-(1 << 20), 1 << 20, FEED_SIZE + i).astype(np.int32) for i in range(FEEDS)]
    expected = [int(array.sum(dtype=np.int64)) for array in arrays]
    feeds = DeviceFeeds([Feed("array", (-1,), "int32")], backend.place)
    staged = [feeds.put({"array": array}) for array in arrays]
    wrong = 0
    for feed, right in zip(staged, expected, strict=True):
        executor.run(busy, fetch_list=[])
        (found,) = executor.run(main, feed=feed.take(), fetch_list=[total])
        wrong += int(found) != right
    return Outcome(not wrong, {"feeds": FEEDS, "wrong": wrong})


def _long_program(size: int) -> Any:
    with new_program() as main:
        x = paddle.full([size, size], 1 / size)
        for _ in range(LONG_PRODUCTS):
            x = paddle.matmul(x, x)
        paddle.sum(x)
    return main


def summed_in_a_program(
    backend: Backend, array: np.ndarray, rounds: int, barrier: Callable[[], None]
) -> tuple[np.ndarray, float]:
    """Return the sum of an array over all ranks by a program, as gradients are summed, and the seconds that it takes.

    `array` is float32 [size]. The time is that of the fastest of some rounds.
    """
    with new_program() as main:
        value = paddle.static.data("array", [-1], "float32")
        (total,) = all_reduce([value])
        last = total[-1]
    executor, seconds = paddle.static.Executor(backend.place), []
    on_device: Any = paddle.base.core.DenseTensor()
    on_device.set(array, backend.place)
    barrier()
    (found,) = executor.run(main, feed={"array": array}, fetch_list=[total])
    for _ in range(1 + rounds):  # the first one also prepares the program
        barrier()
        began = time.perf_counter()
        executor.run(main, feed={"array": on_device}, fetch_list=[last])
        seconds.append(time.perf_counter() - began)
    return found, min(seconds[1:])


@contextmanager
def flags_restored(names: Sequence[str] = DETERMINISTIC) -> Iterator[None]:
    """Give the flags that this wheel has their values back after the block."""
    before: dict[str, Any] = {}
    for name in names:
        with suppress(ValueError):  # a wheel for CPUs has no flags of GPUs
            before |= paddle.get_flags(name)
    try:
        yield
    finally:
        paddle.set_flags(before)


def fill_free_memory(programs: Programs, gigabytes: float = 2.0) -> None:
    """Fill memory with NaN and free it, so that what is never written holds NaN and not the zeros of a new page."""
    with new_program() as main:
        paddle.sum(paddle.full([int(gigabytes * 250e6)], float("nan")))
    paddle.static.Executor(programs.backend().place).run(main, fetch_list=[])


CHECKS = (
    Check(
        2,
        "operators",
        "kernels that the wheel lacks for this device",
        "another precision, if it names one; else nothing: send the record",
        operators_in_use,
    ),
    Check(
        9,
        "feeds ahead",
        "batches that are overwritten while they are copied",
        "nothing: send the record",
        feeds_ahead,
        of_gpu_programs,
    ),
)
