"""One function over many items on several processes, or on a Ray cluster of this machine."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from worker_functions import dying, failing, process_of, squared

from data_builders.ray_engine import RayWorkers
from data_builders.workers import AHEAD, Engine, Processes
from ernie_paddle.errors import UserError

ENGINES = [
    pytest.param(lambda: Processes(1), id="this process"),
    pytest.param(lambda: Processes(3), id="processes"),
    pytest.param(lambda: RayWorkers(2), id="ray", marks=pytest.mark.slow),
]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))  # for the workers of Ray
    make: Callable[[], Processes | RayWorkers] = request.param
    with make() as made:
        yield made


def test_results_come_in_order_and_mistakes_as_they_are(engine: Engine) -> None:
    assert list(engine.map(squared, range(20))) == [item * item for item in range(20)]
    assert list(engine.map(squared, [])) == []
    results = engine.map(failing, range(10))
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="item 5 is no good"):
        next(results)


def test_the_work_is_done_by_so_many_processes() -> None:
    with Processes(3) as engine:
        assert len(set(engine.map(process_of, range(20))) - {os.getpid()}) == 3
    with Processes(1) as engine:
        assert set(engine.map(process_of, range(3))) == {os.getpid()}


def test_items_are_taken_only_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    with Processes(2) as engine:
        results = engine.map(squared, items())
        assert [next(results) for _ in range(3)] == [0, 1, 4]
        assert len(taken) <= 3 + 2 * AHEAD


def test_any_other_fault_brings_its_traceback() -> None:
    with Processes(2) as engine, pytest.raises(RuntimeError, match=r"(?s)Traceback.*in failing.*a fault of ours"):
        list(engine.map(failing, [7]))


def test_a_dead_worker_ends_the_work() -> None:
    with Processes(2) as engine, pytest.raises(UserError, match="worker process died"):
        list(engine.map(dying, range(10)))


def test_a_large_answer_and_a_large_item_do_not_wait_for_each_other() -> None:
    """More bytes than a pipe holds, both ways at once."""
    with Processes(2) as engine:
        items = [bytes(1_000_000) for _ in range(8)]
        assert list(engine.map(bytes, items)) == items
