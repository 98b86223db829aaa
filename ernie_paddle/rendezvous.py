"""The rendezvous of a job's ranks: they find each other, wait for each other and learn which of them failed.

Every rank keeps a TCP connection to the hub of rank 0 at PADDLE_MASTER. Gloo and NCCL cannot do this: while a rank is
late, gloo fails after 30 seconds and NCCL waits forever, and neither can tell which rank it is.
"""

import atexit
import faulthandler
import fcntl
import math
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ernie_paddle.errors import RETRY, Failure, UserError
from ernie_paddle.hub import BEAT, GONE, SILENCE, SILENT, TICK, Clock, Hub, connection_of, receive, send
from ernie_paddle.ranks import Ranks

GRACE = 10.0  # seconds that a rank has to end by itself after another has failed
BACKSTOP = 600.0  # seconds until a process is ended whose threads no longer run
SIOCGIFADDR = 0x8915  # of Linux: the address of an interface


class Rendezvous:
    """The rendezvous of a single process, which waits for nobody."""

    failure: Failure | None = None

    def barrier(self) -> None:
        """Wait for all ranks.

        Raises:
            Failure: another rank has failed.
        """

    def expect(self, seconds: float | None, what: str = "") -> None:
        """Expect the next call within some seconds; otherwise end the job, because `what` hangs. None: end no job."""

    def failure_behind(self, error: BaseException) -> Failure | None:
        """Return the failure of another rank that an error of a collective may come from, once it is known."""

    def report(self, reason: str, exit_code: int) -> None:
        """Tell the other ranks why this one ends."""


@dataclass
class _Expected:
    """Until when the main thread must call again, and what it does until then."""

    until: float
    what: str


@dataclass
class _News:
    """What the hub has told a rank."""

    complete: list[Any] = field(default_factory=list)
    met: int = 0
    failure: Failure | None = None


class Joined(Rendezvous):
    """The rendezvous of one rank of several."""

    def __init__(self, ranks: Ranks, host: str, port: int, seconds: float, hub: Hub | None):
        """Connect, and wait until all ranks have. `hub` is that of rank 0.

        Raises:
            UserError: they have not within `seconds`.
        """
        self._first, self._hub = f"rank 0 ({host}:{port})", hub
        self._connection = connection_of(_connected(host, port, ranks, seconds))
        self._sending, self._changed = threading.Lock(), threading.Condition()
        self._news, self._arrived = _News(), 0
        self._expected: _Expected | None = None
        self._clock = Clock()
        self._left = threading.Event()
        self._tell("join", {"rank": ranks.rank, "world": ranks.world, "host": socket.gethostname()})
        self._thread = threading.Thread(target=self._watch, name="rendezvous", daemon=True)
        self._thread.start()
        atexit.register(self.leave)
        self._wait_for(lambda: bool(self._news.complete), seconds + SILENCE)
        if not self._news.complete:
            failure = self._news.failure
            raise UserError(str(failure or f"{host}:{port} (PADDLE_MASTER): this is not rank 0 of the job"))
        self.store_port, self.address, self._first = self._news.complete

    @property
    def failure(self) -> Failure | None:  # type: ignore[override]
        return self._news.failure

    def barrier(self) -> None:
        self._arrived += 1
        self._tell("arrived", self._arrived)
        if not self._wait_for(lambda: self._news.met >= self._arrived) and self._news.failure:
            raise self._news.failure

    def expect(self, seconds: float | None, what: str = "") -> None:
        if seconds is None:
            self._expected = None
        else:
            self._expected = _Expected(self._clock.now() + seconds, f"{what} has not ended for {seconds:.0f} s")

    def failure_behind(self, error: BaseException) -> Failure | None:
        self._wait_for(lambda: False, GRACE)
        return self._news.failure

    def report(self, reason: str, exit_code: int) -> None:
        self._tell("failed", [reason, exit_code])

    def leave(self) -> None:
        """Tell the others that this rank has ended as planned."""
        self._left.set()
        self._tell("left")
        faulthandler.cancel_dump_traceback_later()
        if self._hub:
            self._hub.close(GRACE)

    def _wait_for(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait for a condition, a failure or some seconds. Return whether the condition holds."""
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._news.failure is not None, seconds)
            return condition()

    def _tell(self, kind: str, value: Any = None) -> None:
        try:
            with self._sending:
                send(self._connection, kind, value)
        except OSError:
            return  # `_watch` notices that the hub is gone

    def _watch(self) -> None:
        heard = beat = now = self._clock.now()
        while not self._left.is_set() and self._news.failure is None:
            try:
                is_ready = self._connection.poll(TICK)
                now = self._clock.tick()
                if is_ready:
                    self._hear(*receive(self._connection))
                    heard = now
            except OSError:
                self._hear("failed", [f"{self._first} {GONE}", RETRY])
            if now - beat > BEAT:
                beat = now
                self._tell("alive")
                faulthandler.dump_traceback_later(BACKSTOP, exit=True)
            if now - heard > SILENCE:
                self._hear("failed", [f"{self._first} {SILENT}", RETRY])
            if (expected := self._expected) and now > expected.until:
                expected.until = math.inf
                self._tell("late", expected.what)
        if self._news.failure is not None:
            self._end_after_grace(self._news.failure)

    def _hear(self, kind: str, value: Any) -> None:
        with self._changed:
            if kind == "complete":
                self._news.complete = value
            elif kind == "met":
                self._news.met = value
            elif kind == "failed":
                self._news.failure = Failure(*value)
            self._changed.notify_all()

    def _end_after_grace(self, failure: Failure) -> None:
        """End this process with the stacks of all threads if the main thread hangs in a step."""
        faulthandler.cancel_dump_traceback_later()
        if not self._left.wait(GRACE + TICK) and self._expected is not None:
            print(f"ernie-paddle: {failure}; resume with --resume; this rank hangs here:", file=sys.stderr, flush=True)
            faulthandler.dump_traceback()
            os._exit(failure.exit_code)


def _connected(host: str, port: int, ranks: Ranks, seconds: float) -> socket.socket:
    """Return a connection to the hub, which may not listen yet."""
    until = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection((host, port), timeout=TICK * 5)
        except OSError as error:
            if time.monotonic() > until:
                raise UserError(
                    f"{host}:{port} (PADDLE_MASTER): rank {ranks.rank} on {socket.gethostname()} has not reached rank "
                    f"0 for {seconds:.0f} s ({error.strerror or error}): check that rank 0 runs on {host}, that this "
                    "machine can resolve and reach that name, and that no firewall blocks the port"
                ) from None
        time.sleep(TICK / 5)


def join(ranks: Ranks, host: str, port: int, seconds: float, store_port: int) -> Joined:
    """Meet the other ranks at `host:port`. `store_port` is the port of rank 0's Paddle store; other ranks learn it.

    Raises:
        UserError: the port is in use, or not all ranks came within `seconds`.
    """
    hub = Hub(host, port, ranks.world, seconds, store_port) if ranks.is_main_process else None
    if hub:
        hub.start()
    return Joined(ranks, host, port, seconds, hub)


def interface_of(address: str) -> str | None:
    """Return the name of the network interface with an IPv4 address; None if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode())
            try:
                found = fcntl.ioctl(sock, SIOCGIFADDR, request)[20:24]
            except OSError:
                continue  # it has no address
            if socket.inet_ntoa(found) == address:
                return name
    return None
