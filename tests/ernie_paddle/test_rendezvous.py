"""Ranks that find each other, wait for each other and learn which of them failed: as threads that share a hub."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from textwrap import dedent
from typing import Any

import pytest

from ernie_paddle import hub, rendezvous
from ernie_paddle.errors import Failure, UserError
from ernie_paddle.hub import connection_of, receive, send
from ernie_paddle.ranks import Ranks
from ernie_paddle.rendezvous import Joined, Rendezvous, interface_of, join

STORE = 4321
Job = Callable[[int], list[Joined]]


def free_port() -> int:
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at clocks often, and never end the process of the tests."""
    for module in (hub, rendezvous):
        monkeypatch.setattr(module, "TICK", 0.02)
        monkeypatch.setattr(module, "BEAT", 0.05)
    monkeypatch.setattr(rendezvous, "GRACE", 0.3)
    monkeypatch.setattr(os, "_exit", lambda code: None)


@pytest.fixture
def job() -> Iterator[Job]:
    """A function that starts a job of so many ranks; they leave when the test ends."""
    with ExitStack() as stack:

        def start(world: int) -> list[Joined]:
            ranks = start_ranks([Ranks(rank, world) for rank in range(world)])
            for rank in ranks:
                stack.callback(rank.leave)
            return ranks

        yield start


def start_ranks(ranks: list[Ranks], seconds: float = 20, port: int | None = None) -> list[Joined]:
    """Join these ranks at the same time; raise the first error of one."""
    port = port or free_port()
    with ThreadPoolExecutor(len(ranks)) as pool:
        return list(pool.map(lambda ranks: join(ranks, "localhost", port, seconds, STORE), ranks))


def together(ranks: list[Joined], do: Callable[[Joined], object]) -> list[object]:
    """Call a function for every rank at the same time; return the results or failures."""

    def attempt(rank: Joined) -> object:
        try:
            return do(rank)
        except Failure as failure:
            return failure

    with ThreadPoolExecutor(len(ranks)) as pool:
        return list(pool.map(attempt, ranks))


def test_no_rank_leaves_a_barrier_before_all_have_come(job: Job) -> None:
    ranks, events = job(3), list[str]()

    def comes(rank: Joined) -> None:
        for number in range(20):
            if rank is ranks[number % 3]:
                time.sleep(0.01)
            events.append(f"{number} comes")
            rank.barrier()
            events.append(f"{number} leaves")

    assert together(ranks, comes) == [None] * 3
    for number in range(20):
        last = max(i for i, event in enumerate(events) if event == f"{number} comes")
        assert events.index(f"{number} leaves") > last
    assert {rank.store_port for rank in ranks} == {STORE} and {rank.address for rank in ranks} == {"127.0.0.1"}


def test_a_rank_that_fails_gives_its_reason_and_exit_code_to_all(job: Job) -> None:
    ranks = job(3)
    ranks[1].report("memory is full", 2)
    found = together(ranks, lambda rank: rank.barrier())
    reason = f"rank 1 ({socket.gethostname()}): memory is full"
    assert [(str(failure), failure.exit_code) for failure in found] == [(reason, 2)] * 3  # type: ignore[attr-defined]
    ranks[2].report("a consequence", 1)
    assert str(ranks[0].failure_behind(RuntimeError())) == reason


def test_each_end_of_a_broken_connection_names_the_other(job: Job) -> None:
    ranks = job(3)
    with socket.socket(fileno=os.dup(ranks[2]._connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
    names = [str(failure).split(" (")[0] for failure in together(ranks, lambda rank: rank.barrier())]
    assert names == ["rank 2", "rank 2", "rank 0"]
    assert all("it was killed, or its machine failed" in str(rank.failure) for rank in ranks)


def connected(port: int) -> socket.socket:
    """Return a connection to the hub, once it listens."""
    until = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("localhost", port))
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.01)


def joined_by_hand(port: int, rank: int, world: int) -> hub.Connection:
    connection = connection_of(connected(port))
    send(connection, "join", {"rank": rank, "world": world, "host": "elsewhere"})
    return connection


def test_a_rank_that_is_silent_is_named_but_not_one_that_only_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "SILENCE", 0.4)
    port = free_port()
    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(join, Ranks(rank, 3), "localhost", port, 20, STORE) for rank in (0, 1)]
        silent = joined_by_hand(port, 2, 3)
        ranks = [rank.result() for rank in first]
    for failure in together(ranks, lambda rank: rank.barrier()):
        assert str(failure).startswith("rank 2 (elsewhere) has been silent")
    silent.close()
    for rank in ranks:
        rank.leave()


def test_a_job_that_only_waits_is_not_silent(monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    for module in (hub, rendezvous):
        monkeypatch.setattr(module, "SILENCE", 0.4)
    ranks = job(2)
    time.sleep(0.9)
    assert together(ranks, lambda rank: rank.barrier()) == [None, None]


def test_a_rank_0_that_is_silent_is_named_by_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "SILENCE", 0.4)
    with socket.create_server(("", 0)) as server, ThreadPoolExecutor(1) as pool:
        other = pool.submit(join, Ranks(1, 2), "localhost", server.getsockname()[1], 20, STORE)
        silent = connection_of(server.accept()[0])
        send(silent, "complete", [STORE, "127.0.0.1", "rank 0 (elsewhere)"])
        with pytest.raises(Failure, match=r"^rank 0 \(elsewhere\) has been silent"):
            other.result().barrier()
        silent.close()


def test_a_rank_that_was_suspended_listens_before_it_calls_rank_0_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    jump, clock = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + jump[0])
    with socket.create_server(("", 0)) as server, ThreadPoolExecutor(1) as pool:
        other = pool.submit(join, Ranks(1, 2), "localhost", server.getsockname()[1], 20, STORE)
        silent = connection_of(server.accept()[0])
        send(silent, "complete", [STORE, "127.0.0.1", "rank 0 (elsewhere)"])
        rank = other.result()
        jump[0] = 10_000.0
        time.sleep(0.2)
        assert rank.failure is None
        rank.leave()
        silent.close()


def test_silence_of_all_is_a_suspended_job(monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    """Clocks that jump stand for a job that was stopped and continued."""
    ranks, jump, clock = job(2), [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + jump[0])
    for rank in ranks:
        rank.expect(60, "step 3")
    jump[0] = 10_000.0
    time.sleep(0.3)
    assert together(ranks, lambda rank: rank.barrier()) == [None, None]


def test_a_late_step_names_the_ranks_that_others_wait_for(job: Job) -> None:
    ranks = job(3)
    for rank in ranks:
        rank.expect(0.3, "step 7")
    found = together(ranks[:2], lambda rank: rank.barrier())
    reason = f"step 7 has not ended for 0 s: the others wait for rank 2 ({socket.gethostname()})"
    assert [str(failure) for failure in found] == [reason] * 2
    for rank in ranks:
        rank.expect(None)


def test_a_late_step_names_the_rank_that_was_not_heard_if_all_are_between_barriers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "SUSPENDED", 0.3)
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(join, Ranks(0, 2), "localhost", port, 20, STORE)
        stopped = joined_by_hand(port, 1, 2)
        rank = first.result()
    rank.expect(0.6, "step 7")
    time.sleep(1)
    assert str(rank.failure) == "step 7 has not ended for 1 s: the others wait for rank 1 (elsewhere)"
    rank.expect(None)
    rank.leave()
    stopped.close()


def test_no_step_is_late_that_is_not_expected_any_more(job: Job) -> None:
    ranks = job(2)
    for rank in ranks:
        rank.expect(0.2, "step 7")
        rank.expect(None)
    ranks[0].expect(30, "step 8")
    time.sleep(0.4)
    assert together(ranks, lambda rank: rank.barrier()) == [None, None]


def test_a_rank_that_ends_as_planned_fails_only_those_that_wait_for_it(job: Job) -> None:
    ranks = job(3)
    assert together(ranks, lambda rank: rank.barrier()) == [None] * 3
    ranks[2].leave()
    time.sleep(0.1)
    assert ranks[0].failure is None and ranks[1].failure is None
    for failure in together(ranks[:2], lambda rank: rank.barrier()):
        assert f"rank 2 ({socket.gethostname()}) has ended while others wait for it" in str(failure)


def test_rank_0_leaves_after_all_others_have_heard_the_last_news(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub ends with the process of rank 0, so it must not end before a message to the last rank is sent."""
    monkeypatch.setattr(rendezvous, "GRACE", 5.0)
    ranks, events, tell = job(4), list[str](), hub.Hub._tell

    def tell_slowly(*arguments: Any) -> None:
        time.sleep(0.05)
        tell(*arguments)

    def ends(rank: Joined) -> None:
        rank.barrier()
        rank.leave()
        events.append("rank 0" if rank is ranks[0] else "another")

    monkeypatch.setattr(hub.Hub, "_tell", tell_slowly)
    assert together(ranks, ends) == [None] * 4
    assert events == ["another"] * 3 + ["rank 0"]


def test_rank_0_does_not_wait_for_ever_for_a_rank_that_does_not_leave(job: Job) -> None:
    ranks, began = job(2), time.monotonic()
    ranks[0].leave()
    assert 0.2 < time.monotonic() - began < 5


def test_ranks_that_do_not_come_are_named_by_those_that_have() -> None:
    port = free_port()
    found: list[str] = []

    def attempt(rank: int) -> None:
        with pytest.raises(UserError) as error:
            join(Ranks(rank, 4), "localhost", port, 0.4, STORE)
        found.append(str(error.value))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(attempt, (0, 2)))
    assert found == [found[0]] * 2
    assert f"localhost:{port} (PADDLE_MASTER): rank 1, 3 of 4 has not connected for 0 s: check" in found[0]


def test_a_rank_that_ends_before_all_have_connected_ends_the_job() -> None:
    port, began = free_port(), time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(join, Ranks(0, 3), "localhost", port, 20, STORE)
        send(joined_by_hand(port, 1, 3), "left")
        with pytest.raises(UserError, match=r"^rank 1 \(elsewhere\) has ended while others wait for it"):
            first.result()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("resolves", [True, False])
def test_a_rank_names_the_address_that_it_cannot_reach(resolves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not resolves:
        monkeypatch.setattr(socket, "getaddrinfo", fail_to_resolve)
    port, why = 1, "Connection refused" if resolves else "Name or service not known"
    with pytest.raises(UserError, match=rf"^localhost:{port} \(PADDLE_MASTER\): rank 1 on .* for 0 s \({why}\): check"):
        join(Ranks(1, 2), "localhost", port, 0.2, STORE)


def fail_to_resolve(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_port_in_use_is_the_user_s_to_change() -> None:
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=rf"localhost:{port} .*Address already in use.*another port"):
            join(Ranks(0, 2), "localhost", port, 1, STORE)


@pytest.mark.parametrize(
    ("rank", "world", "reason"),
    [(1, 3, "rank 1 was started as one of 3, but this job has 2 ranks"), (0, 2, "rank 0 is already there")],
)
def test_ranks_of_another_job_are_sent_away_and_disturb_nobody(rank: int, world: int, reason: str) -> None:
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(join, Ranks(0, 2), "localhost", port, 20, STORE)
        connected(port).close()
        time.sleep(0.1)  # rank 0 has joined
        stranger = joined_by_hand(port, rank, world)
        assert stranger.poll(5)
        kind, (said, code) = receive(stranger)
        assert (kind, code) == ("failed", 2) and f"localhost:{port} (PADDLE_MASTER): {reason}" in said
        ranks = [join(Ranks(1, 2), "localhost", port, 20, STORE), first.result()]
    assert together(ranks, lambda rank: rank.barrier()) == [None, None]
    for joined in ranks:
        joined.leave()


@pytest.mark.parametrize(
    "bytes_", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\2[]", b"\0\0\0\x13" + b'["join",{"rank":1}]', b"\0"]
)
def test_whatever_else_connects_disturbs_nobody(bytes_: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(join, Ranks(0, 2), "localhost", port, 20, STORE)
        with connected(port) as stranger:
            stranger.sendall(bytes_)
            ranks = [join(Ranks(1, 2), "localhost", port, 20, STORE), first.result()]
    assert together(ranks, lambda rank: rank.barrier()) == [None, None]
    for rank in ranks:
        rank.leave()


def test_a_rank_that_hangs_in_a_step_ends_with_the_stacks_of_its_threads() -> None:
    """The main thread sleeps; another rank fails."""
    script = f"""
    import ctypes, sys, threading, time
    from ernie_paddle import hub, rendezvous
    from ernie_paddle.ranks import Ranks
    for module in (hub, rendezvous):
        module.TICK, module.BEAT = 0.02, 0.05
    rendezvous.GRACE = 0.2
    def second():
        joined = rendezvous.join(Ranks(1, 2), "localhost", {(port := free_port())}, 20, 0)
        joined.report("the device failed", 75)
    threading.Thread(target=second, daemon=True).start()
    joined = rendezvous.join(Ranks(0, 2), "localhost", {port}, 20, 0)
    joined.expect(60, "step 4")
    def hangs_here():
        time.sleep(60)
    hangs_here()
    """
    command = [sys.executable, "-c", dedent(script)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 75, found.stderr
    assert (
        f"ernie-paddle: rank 1 ({socket.gethostname()}): the device failed; resume with --resume; this rank hangs here:"
        in found.stderr
    )
    assert "in hangs_here" in found.stderr and "Thread 0x" in found.stderr


def test_a_process_that_never_lets_its_threads_run_ends_with_their_stacks() -> None:
    script = f"""
    import ctypes, threading, time
    from ernie_paddle import hub, rendezvous
    from ernie_paddle.ranks import Ranks
    for module in (hub, rendezvous):
        module.TICK, module.BEAT = 0.02, 0.05
    rendezvous.BACKSTOP = 0.3
    second = lambda: rendezvous.join(Ranks(1, 2), "localhost", {(port := free_port())}, 20, 0)
    threading.Thread(target=second, daemon=True).start()
    rendezvous.join(Ranks(0, 2), "localhost", {port}, 20, 0)
    time.sleep(0.6)
    print("runs", flush=True)
    def holds_the_interpreter():
        ctypes.PyDLL(None).sleep(60)
    holds_the_interpreter()
    """
    command = [sys.executable, "-c", dedent(script)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 1 and found.stdout == "runs\n", found.stderr
    assert "Timeout (0:00:00.3" in found.stderr and "in holds_the_interpreter" in found.stderr


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_rank_that_waits_for_others_can_be_stopped(rank: int, number: int, code: int) -> None:
    script = f"""
    import sys
    from ernie_paddle.ranks import Ranks
    from ernie_paddle.rendezvous import join
    from ernie_paddle.stopping import Stopped, stop_on_signals
    try:
        with stop_on_signals(until_exit=True):
            print("up", flush=True)
            join(Ranks({rank}, 2), "localhost", {free_port()}, 60, 0)
    except Stopped as stop:
        sys.exit(stop.exit_code)
    """
    process = subprocess.Popen([sys.executable, "-c", dedent(script)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout and process.stdout.readline() == "up\n"
        time.sleep(0.2)
        process.send_signal(number)
        assert process.wait(timeout=10) == code


def test_a_single_process_waits_for_nobody() -> None:
    alone = Rendezvous()
    alone.barrier()
    alone.expect(0.01, "step 1")
    assert alone.failure_behind(RuntimeError()) is None and alone.failure is None


def test_the_interface_of_an_address() -> None:
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("192.0.2.1") is None
