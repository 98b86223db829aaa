"""Measurements of the memory and the speed of training."""

import time
from collections.abc import Callable
from itertools import accumulate, repeat

from ernie_paddle.checks.check import BASE, Bench, Check, Outcome, Programs, model_config, on_devices, on_gpus
from ernie_paddle.checks.traces import RATE, loss_of, session_of, workload
from ernie_paddle.faults import fault_behind
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.check_record import Figure
from ernie_paddle.programs.peaks import peak_flops
from ernie_paddle.training.benchmark import feed_flops, head_flops

LENGTH = 512
FULL_MEMORY = 13
FIRST_TOKENS, MOST_TOKENS = 8192, 1 << 20
TOKENS_ON_GPU, TOKENS_ON_CPU = (8192, 16384, 32768), (256,)
ON_GPU, ON_CPU = (4, 2, 5), (1, 1, 1)  # micro-batches of a step, steps that warm up, and timed steps


def full_memory(programs: Programs, bench: Bench) -> Outcome:
    """Double the tokens of a micro-batch of the base model until memory is full; tell the largest that fits."""
    backend = _fastest(programs)

    def step(tokens: int) -> None:
        work = workload(model_config(BASE, 0.1), bench.registry, _lengths(tokens))
        session = session_of(work, backend)
        loss_of(work, session, 1)
        session.update((work.task,), RATE)

    largest, error = largest_that_fits(step, FIRST_TOKENS, MOST_TOKENS)
    figures: dict[str, Figure] = {"largest train.batch_tokens": largest, "precision": backend.precision}
    if error is None:
        return Outcome(True, figures, "memory was not full with that")
    fault = fault_behind(error)
    note = "" if fault else f"the error of a full memory is not known: {type(error).__name__} {str(error)[-300:]}"
    return Outcome(bool(fault) and largest > 0, figures, note)


def largest_that_fits(step: Callable[[int], None], first: int, most: int) -> tuple[int, Exception | None]:
    """Call a function with doubled numbers, up to `most`; return the last that it took, and its error for the next."""
    largest = 0
    for number in accumulate(repeat(2), lambda value, factor: value * factor, initial=first):
        if number > most:
            return largest, None
        try:
            step(number)
        except (MemoryError, OSError, RuntimeError, SystemError) as error:
            return largest, error
        largest = number
    raise AssertionError("the numbers have no end")


def _lengths(tokens: int) -> list[int]:
    return [min(tokens, LENGTH)] * max(1, tokens // LENGTH)


def speed(programs: Programs, bench: Bench) -> Outcome:
    """Measure steps of the base model in the fastest precision."""
    backend = _fastest(programs)
    peak = peak_flops(backend)
    figures: dict[str, Figure] = {"precision": backend.precision, "flash": backend.flash}
    for tokens in TOKENS_ON_GPU if programs.is_gpu else TOKENS_ON_CPU:
        figures |= _speed_at(tokens, programs, bench, backend, peak)
    return Outcome(None, figures)


def _fastest(programs: Programs) -> Backend:
    return programs.backend(programs.low[0] if programs.low else "fp32", flash=programs.has_flash)


def _speed_at(tokens: int, programs: Programs, bench: Bench, backend: Backend, peak: float | None) -> dict[str, Figure]:
    """Time steps of several micro-batches: until all work is launched, and until the device has done it."""
    config = model_config(BASE, 0.1)
    work = workload(config, bench.registry, _lengths(tokens))
    session, seconds, launching = session_of(work, backend), list[float](), list[float]()
    micro_batches, warm_up, steps = ON_GPU if programs.is_gpu else ON_CPU
    for step in range(warm_up + steps):
        staged = [session.stage((work.task,), work.feed) for _ in range(micro_batches)]
        began = time.perf_counter()
        for i, feed in enumerate(staged):
            session.add_gradients((work.task,), feed, work.loss_weights, step * micro_batches + i)
        launched = time.perf_counter() - began
        session.update((work.task,), RATE)
        if step >= warm_up:
            launching.append(launched)
            seconds.append(time.perf_counter() - began)
    total = sum(seconds)
    figures: dict[str, Figure] = {f"tokens/s of {tokens}": steps * micro_batches * tokens / total}
    if programs.is_gpu:
        figures[f"ms launching of {tokens}"] = 1e3 * sum(launching) / steps
    figures[f"ms of {tokens}"] = 1e3 * total / steps
    if peak:
        flops = feed_flops(config, work.feed) + head_flops(config, work.labels)
        figures[f"share of peak of {tokens}"] = steps * micro_batches * flops / total / peak
    return figures


CHECKS = (
    Check(
        14,
        "speed",
        "a device that waits for its host",
        "nothing: compare with the page on GPUs",
        speed,
        on_devices,
        required=False,
    ),
    Check(
        FULL_MEMORY,
        "full memory",
        "a full memory that ends a run without a word",
        "nothing: take smaller batches",
        full_memory,
        on_gpus,
        required=False,
    ),
)
