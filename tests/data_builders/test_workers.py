"""One function over many items on several processes."""

import os
from collections.abc import Iterator

import pytest
from worker_functions import dying, failing, process_of, squared

from data_builders.workers import ordered_map
from ernie_paddle.errors import UserError


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert list(ordered_map(squared, range(20), workers)) == [item * item for item in range(20)]
    assert list(ordered_map(squared, [], workers)) == []


def test_the_work_is_done_by_so_many_processes() -> None:
    assert len(set(ordered_map(process_of, range(20), 3)) - {os.getpid()}) == 3
    assert set(ordered_map(process_of, range(3), 1)) == {os.getpid()}


def test_items_are_taken_only_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = ordered_map(squared, items(), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(taken) <= 3 + 2
    results.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_mistake_of_the_user_s_comes_through_as_it_is(workers: int) -> None:
    results = ordered_map(failing, range(10), workers)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="item 5 is no good"):
        next(results)


def test_any_other_fault_brings_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*in failing.*a fault of ours"):
        list(ordered_map(failing, [7], 2))


def test_a_dead_worker_ends_the_work() -> None:
    with pytest.raises(UserError, match="worker process died"):
        list(ordered_map(dying, range(10), 2))
