"""The rank of a process, as its environment tells it."""

import numpy as np
import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.ranks import Ranks, connect_seconds, local_rank, master

VARIABLES = ("PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM", "PADDLE_LOCAL_RANK", "PADDLE_MASTER", "ERNIE_CONNECT_SECONDS")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_items_are_shared_evenly() -> None:
    items = list(range(7))
    shares = [Ranks(rank, 3).share(items) for rank in range(3)]
    assert sorted(item for share in shares for item in share) == items
    assert {len(share) for share in shares} == {2, 3}
    assert [Ranks(rank, 9).share(items) for rank in (0, 8)] == [[0], []]


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_balanced_items_go_to_one_rank_each_in_equal_numbers_and_nearly_equal_totals(world: int) -> None:
    random = np.random.default_rng(world)
    for count in (1, world, 4 * world, 4 * world + 1):
        sizes = random.integers(1, 1000, count).tolist()
        shares = [Ranks(rank, world).balanced(sizes) for rank in range(world)]
        assert sorted(number for share in shares for number in share) == list(range(count))
        assert all(share == sorted(share) for share in shares)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        if count == 4 * world:
            totals = [sum(sizes[number] for number in share) for share in shares]
            in_turn = [sum(sizes[rank::world]) for rank in range(world)]
            assert max(totals) - min(totals) <= max(in_turn) - min(in_turn)
            assert max(totals) <= 1.15 * np.mean(totals)


def test_ranks_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    assert (Ranks.of_this_process(), local_rank(), connect_seconds()) == (Ranks(0, 1), 0, 300)
    environment.setenv("PADDLE_TRAINER_ID", "5")
    environment.setenv("PADDLE_TRAINERS_NUM", "6")
    assert Ranks.of_this_process() == Ranks(5, 6) and local_rank() == 5
    environment.setenv("PADDLE_LOCAL_RANK", "2")
    environment.setenv("ERNIE_CONNECT_SECONDS", "7")
    assert (Ranks.of_this_process(), local_rank(), connect_seconds()) == (Ranks(5, 6), 2, 7)


@pytest.mark.parametrize("name", ["PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM", "PADDLE_LOCAL_RANK"])
@pytest.mark.parametrize("text", ["", "-1", "one", "1.5"])
def test_what_is_no_number_is_named(name: str, text: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv(name, text)
    with pytest.raises(UserError, match=f"{name} '{text}': is not a number"):
        local_rank() if name == "PADDLE_LOCAL_RANK" else Ranks.of_this_process()


@pytest.mark.parametrize(("rank", "world"), [("2", "2"), ("0", "0"), ("3", "")])
def test_a_rank_beyond_the_processes_is_named(rank: str, world: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PADDLE_TRAINER_ID", rank)
    if world:
        environment.setenv("PADDLE_TRAINERS_NUM", world)
    with pytest.raises(UserError, match=f"PADDLE_TRAINER_ID {rank}: with PADDLE_TRAINERS_NUM {world or 1}"):
        Ranks.of_this_process()


@pytest.mark.parametrize(
    ("text", "found"), [("node7:36789", ("node7", 36789)), ("10.0.0.1:1", ("10.0.0.1", 1)), ("[::1]:80", ("::1", 80))]
)
def test_ranks_meet_at_host_and_port(text: str, found: tuple[str, int], environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PADDLE_MASTER", text)
    assert master() == found


@pytest.mark.parametrize("text", [None, "", "node7", "node7:", ":36789", "node7:x", "node7:0", "node7:65536"])
def test_a_master_without_host_or_port_is_a_mistake(text: str | None, environment: pytest.MonkeyPatch) -> None:
    if text is not None:
        environment.setenv("PADDLE_MASTER", text)
    with pytest.raises(UserError, match=f"PADDLE_MASTER '{text or ''}': is not HOST:PORT.*launch.sh"):
        master()
