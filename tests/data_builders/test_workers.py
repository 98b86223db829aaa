"""Applying a function to many items on several processes, or on a local Ray cluster."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest
from helpers import needs_ray
from worker_functions import dying, failing, name_of_lock, process_of, squared

from data_builders.ray_engine import RayWorkers
from data_builders.workers import ITEMS_AHEAD, Engine, Processes
from ernie_paddle.errors import UserError
from ernie_paddle.stopping import EXIT_CODES, Stopped, stop_on_signals

ENGINES = [
    pytest.param(lambda: Processes(1), id="this process"),
    pytest.param(lambda: Processes(3), id="processes"),
    pytest.param(lambda: RayWorkers(2), id="ray", marks=[pytest.mark.slow, needs_ray]),
]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))  # for the workers of Ray
    make: Callable[[], Processes | RayWorkers] = request.param
    with make() as made:
        yield made


def test_results_come_in_order_and_user_errors_unchanged(engine: Engine) -> None:
    assert list(engine.map(squared, range(20))) == [item * item for item in range(20)]
    assert list(engine.map(squared, [])) == []
    results = engine.map(failing, range(10))
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="item 5 is no good"):
        next(results)


def test_work_that_a_process_cannot_load_is_an_error_and_not_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("only_here")
    exec("def doubled(item): return 2 * item", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    with (
        Processes(2) as engine,
        pytest.raises(RuntimeError, match=r"work cannot be loaded(.|\n)*No module named 'only_here'"),
    ):
        list(engine.map(module.doubled, range(4)))


def test_the_number_of_processes_is_the_number_of_workers() -> None:
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
        assert len(taken) <= 3 + 2 * ITEMS_AHEAD


def test_any_other_exception_is_raised_with_its_traceback() -> None:
    with Processes(2) as engine, pytest.raises(RuntimeError, match=r"(?s)Traceback.*in failing.*a fault of ours"):
        list(engine.map(failing, [7]))


def test_a_dead_worker_ends_the_work() -> None:
    with Processes(2) as engine, pytest.raises(UserError, match="worker process died"):
        list(engine.map(dying, range(10)))


def test_large_items_and_large_results_do_not_deadlock() -> None:
    """Both directions carry more bytes than a pipe buffers."""
    with Processes(2) as engine:
        items = [bytes(1_000_000) for _ in range(8)]
        assert list(engine.map(bytes, items)) == items


def test_workers_ignore_signals_to_the_whole_process_group() -> None:
    """This includes the first worker, with which multiprocessing also starts its resource tracker."""
    script = """
        import signal
        from worker_functions import signals_held_back
        from data_builders.workers import Processes

        if __name__ == "__main__":
            with Processes(2) as engine:
                for signals in engine.map(signals_held_back, range(4)):
                    print(signals >= {signal.SIGINT, signal.SIGTERM})
    """
    path = os.pathsep.join([str(Path(__file__).parents[1] / "support"), *filter(None, sys.path)])
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert found.stdout.split() == ["True"] * 4


@pytest.mark.parametrize("worker", [0, 2])
@pytest.mark.parametrize("number", EXIT_CODES)
def test_a_signal_while_workers_start_leaves_none(number: int, worker: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One signal, since a second Ctrl-C ends everything at once."""
    start, starts = multiprocessing.get_context("spawn").Process.start, count()

    def started(process: "multiprocessing.Process") -> None:
        start(process)
        if next(starts) == worker:
            os.kill(os.getpid(), number)

    before = set(multiprocessing.active_children())
    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", started)
    with pytest.raises(Stopped), stop_on_signals(), Processes(3):
        time.sleep(20)  # a signal that another thread received is sent again, to the main thread
        pytest.fail("the signal was held back for good")
    assert set(multiprocessing.active_children()) == before


def test_a_killed_worker_leaves_no_locks_of_libraries() -> None:
    with Processes(2) as engine:
        assert list(engine.map(name_of_lock, range(4))) == [None] * 4
