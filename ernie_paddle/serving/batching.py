"""Batches of samples from many requests, computed in one thread."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable

Results = list[np.ndarray]  # one for each sample


@dataclass(eq=False)
class _Job:
    """The samples of a request, those that are not computed yet, shortest first, and the results so far."""

    samples: SampleBlock
    arrived: float = field(default_factory=time.monotonic)
    future: "Future[Results]" = field(default_factory=Future)
    results: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.waiting = np.argsort(self.samples.lengths, kind="stable")

    def take(self, room: int) -> np.ndarray:
        """Remove the first waiting samples with at most `room` tokens together; return their rows."""
        count = int(np.searchsorted(np.cumsum(self.samples.lengths[self.waiting]), room, side="right"))
        rows, self.waiting = self.waiting[:count], self.waiting[count:]
        return rows

    def add(self, rows: np.ndarray, results: Results) -> None:
        """Keep the results of some samples; the future is done when none is missing."""
        self.results |= zip(rows.tolist(), results, strict=True)
        if len(self.results) == len(self.samples):
            self.future.set_result([self.results[row] for row in range(len(self.samples))])


class Batcher:
    """Computes samples of several requests together, up to `batch_tokens` tokens, in a thread of its own.

    A batch begins when there are enough tokens for it, or when a request has waited for `wait_seconds`. Requests take
    turns: one with more samples than fit goes on after the others, so that it does not keep small ones waiting.
    """

    def __init__(
        self,
        compute: Callable[[SampleBlock], Results],
        batch_tokens: int,
        wait_seconds: float,
        observe: Callable[[int, int], None],
    ):
        """`observe` is called with the number of samples and of tokens of each batch."""
        self._compute, self._observe = compute, observe
        self._batch_tokens, self._wait_seconds = batch_tokens, wait_seconds
        self._jobs: deque[_Job] = deque()
        self._tokens, self._closed = 0, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    def submit(self, samples: SampleBlock) -> "Future[Results]":
        """Return the future results of one sample or more, in order."""
        job = _Job(samples)
        job.future.set_running_or_notify_cancel()  # whoever waits for it cannot cancel it
        with self._changed:
            self._jobs.append(job)
            self._tokens += int(samples.lengths.sum())
            self._changed.notify()
        return job.future

    def drop_waiting(self) -> None:
        """Forget what was submitted. Whoever waits for it gets no results."""
        with self._changed:
            self._jobs.clear()

    def close(self) -> None:
        """Compute what was submitted, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            blocks = [job.samples.take(rows) for job, rows in batch]
            table = SampleTable(blocks)
            self._observe(len(table), int(table.lengths.sum()))
            try:
                results = self._compute(table.take(np.arange(len(table))))
            except Exception as error:
                for job, _ in batch:
                    self._fail(job, error)
                continue
            for job, rows in batch:
                own, results = results[: len(rows)], results[len(rows) :]
                job.add(rows, own)

    def _next_batch(self) -> list[tuple[_Job, np.ndarray]]:
        """Wait for samples, and remove those of a batch: jobs with their rows. There are none after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return []
            seconds = min(job.arrived for job in self._jobs) + self._wait_seconds - time.monotonic()
            self._changed.wait_for(lambda: self._tokens >= self._batch_tokens or self._closed, max(seconds, 0))
            return self._take()

    def _take(self) -> list[tuple[_Job, np.ndarray]]:
        batch: list[tuple[_Job, np.ndarray]] = []
        room = self._batch_tokens
        for _ in range(len(self._jobs)):
            job = self._jobs[0]
            shortest = int(job.samples.lengths[job.waiting[0]])
            rows = job.take(room if batch else max(room, shortest))
            if not len(rows):
                break
            tokens = int(job.samples.lengths[rows].sum())
            batch.append((job, rows))
            self._jobs.popleft()
            if len(job.waiting):
                self._jobs.append(job)
            self._tokens -= tokens
            room -= tokens
        return batch

    def _fail(self, job: _Job, error: Exception) -> None:
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
                self._tokens -= int(job.samples.lengths[job.waiting].sum())
        job.future.set_exception(error)
