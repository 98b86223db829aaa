"""Samples of many requests are computed together, and every request gets its own results."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.serving.batching import Batcher, Results


def block(*lengths: int, first: int = 0) -> SampleBlock:
    """Samples of these lengths, whose token ids count from `first`."""
    return SampleBlock(np.array(lengths), {"input_ids": np.arange(first, first + sum(lengths))})


def tokens_of(samples: SampleBlock) -> Results:
    return np.split(samples.columns["input_ids"], np.cumsum(samples.lengths)[:-1])


class Recorded:
    """A model that returns the tokens of each sample. It waits for `go`, and remembers the tokens of its batches."""

    def __init__(self, go: bool = True):
        self.go, self.began, self.batches = threading.Event(), threading.Event(), list[list[int]]()
        self.counts = list[tuple[int, int]]()
        if go:
            self.go.set()

    def compute(self, samples: SampleBlock) -> Results:
        self.batches.append(samples.columns["input_ids"].tolist())
        self.began.set()
        assert self.go.wait(10)
        if -1 in self.batches[-1]:
            raise RuntimeError("a fault of the model")
        return tokens_of(samples)

    def batcher(self, batch_tokens: int, wait_seconds: float = 0.0) -> "closing[Batcher]":
        return closing(Batcher(self.compute, batch_tokens, wait_seconds, lambda *found: self.counts.append(found)))


@pytest.mark.parametrize("batch_tokens", [1, 20, 1 << 20])
def test_every_request_gets_the_results_of_its_own_samples_in_order(batch_tokens: int) -> None:
    random = np.random.default_rng(batch_tokens)
    requests = [block(*random.integers(1, 9, random.integers(1, 30)), first=1000 * n) for n in range(60)]
    model = Recorded()
    with model.batcher(batch_tokens) as batcher, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda request: batcher.submit(request).result(10), requests))
    for request, results in zip(requests, found, strict=True):
        expected = tokens_of(request)
        assert [result.tolist() for result in results] == [tokens.tolist() for tokens in expected]
    computed = [token for batch in model.batches for token in batch]
    assert sorted(computed) == sorted(token for request in requests for token in request.columns["input_ids"])
    assert all(tokens <= batch_tokens or samples == 1 for samples, tokens in model.counts)
    assert [tokens for _, tokens in model.counts] == [len(batch) for batch in model.batches]


def test_requests_that_wait_are_computed_together_and_large_ones_take_turns() -> None:
    model = Recorded(go=False)
    with model.batcher(batch_tokens=10) as batcher:
        first = batcher.submit(block(1))
        assert model.began.wait(10)
        large = batcher.submit(block(*[5] * 5, first=100))
        small = [batcher.submit(block(3, first=200 + 10 * number)) for number in range(3)]
        model.go.set()
        for future in (first, large, *small):
            future.result(10)
    assert model.batches[0] == [0]
    assert model.batches[1] == [*range(100, 110)]
    assert [*range(200, 203), *range(210, 213), *range(220, 223)] == model.batches[2]
    assert [len(batch) for batch in model.batches[3:]] == [10, 5]


def test_a_batch_waits_for_others_until_it_is_full_or_the_first_has_waited_long_enough() -> None:
    model = Recorded()
    with model.batcher(batch_tokens=6, wait_seconds=30) as batcher:
        futures = [batcher.submit(block(3, first=10 * number)) for number in range(2)]
        assert [len(future.result(10)) for future in futures] == [1, 1]
    assert model.batches == [[0, 1, 2, 10, 11, 12]]
    model = Recorded()
    with model.batcher(batch_tokens=6, wait_seconds=0.05) as batcher:
        batcher.submit(block(3)).result(10)
    assert model.batches == [[0, 1, 2]]


def test_what_was_submitted_is_computed_before_the_thread_ends() -> None:
    model = Recorded()
    with model.batcher(batch_tokens=4, wait_seconds=30) as batcher:
        futures = [batcher.submit(block(3, first=10 * number)) for number in range(5)]
    assert all(future.done() for future in futures) and len(model.batches) == 5


def test_a_fault_fails_the_requests_of_its_batch_and_no_others() -> None:
    model = Recorded(go=False)
    with model.batcher(batch_tokens=4) as batcher:
        before = batcher.submit(block(1))
        assert model.began.wait(10)
        broken = batcher.submit(block(4, 4, first=-1))
        after = batcher.submit(block(2, first=50))
        model.go.set()
        assert isinstance(broken.exception(10), RuntimeError)
        assert [len(before.result(10)[0]), len(after.result(10)[0])] == [1, 2]
        assert batcher.submit(block(2)).result(10)[0].tolist() == [0, 1]
    assert model.batches[1:] == [[-1, 0, 1, 2], [50, 51], [0, 1]], "the rest of a failed request is dropped"


def test_a_client_that_does_not_wait_stops_nobody() -> None:
    with Recorded().batcher(batch_tokens=4) as batcher:
        assert not batcher.submit(block(3)).cancel()
        assert len(batcher.submit(block(2)).result(10)) == 1
