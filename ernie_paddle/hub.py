"""The hub of a job's ranks: a thread of rank 0 that counts them at barriers and tells all of them when one fails.

A message is a kind and a value, as JSON. Ranks send "join", "alive", "arrived" (at the barrier of that number), "late",
"failed" and "left"; the hub answers "complete", "alive", "met" (the barriers that all have reached) and "failed".
"""

import json
import socket
import struct
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from ernie_paddle.errors import MISTAKE, RETRY, UserError

TICK = 1.0  # seconds between two looks at clocks
BEAT = 3.0  # seconds between two signs of life
SILENCE = 30.0  # seconds without a sign of life until a rank counts as lost
SUSPENDED = 2 * BEAT  # seconds between two looks at a clock, after which this process, perhaps all, was suspended
GONE = "has ended without a word: it was killed, or its machine failed"
SILENT = f"has been silent for {SILENCE:.0f} s: its process is stopped, or its machine cannot be reached"
MAX_MESSAGE = 1 << 16  # bytes
PARTIAL = struct.pack("ll", 2, 0)  # seconds, microseconds: how long to wait for the rest of a message


class Clock:
    """A clock that stops while its process is suspended, so that nobody counts as late then.

    Between two looks (`tick`), it moves on by at most `SUSPENDED` seconds. It begins at 0.
    """

    def __init__(self) -> None:
        self._looked = (time.monotonic(), 0.0)  # the last look, by the machine's clock and by this one

    def now(self) -> float:
        by_machine, seconds = self._looked
        return seconds + min(time.monotonic() - by_machine, SUSPENDED)

    def tick(self) -> float:
        """Look at the clock; return its time."""
        self._looked = (time.monotonic(), self.now())
        return self._looked[1]


def send(connection: Connection, kind: str, value: Any = None) -> None:
    connection.send_bytes(json.dumps([kind, value]).encode())


def receive(connection: Connection) -> tuple[str, Any]:
    """Return kind and value of the next message. A connection that is closed or speaks otherwise is an `OSError`."""
    try:
        kind, value = json.loads(connection.recv_bytes(MAX_MESSAGE))
    except (EOFError, ValueError) as error:
        raise ConnectionError(str(error)) from None
    return kind, value


def connection_of(sock: socket.socket) -> Connection:
    sock.setblocking(True)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, PARTIAL)
    return Connection(sock.detach())


@dataclass
class Member:
    """A rank as the hub knows it: its connection, when it was last heard, and the last barrier it has reached.

    `here` and `there` are the addresses of the connection's ends.
    """

    name: str
    connection: Connection
    here: str
    there: str
    heard: float
    arrived: int = 0
    left: bool = False


class Hub(threading.Thread):
    """Connects the ranks of a job, counts them at barriers, and tells all of them when one fails.

    Raises:
        UserError: the port is in use.
    """

    def __init__(self, host: str, port: int, world: int, seconds: float, store_port: int):
        super().__init__(name="hub", daemon=True)
        self.world, self.seconds, self.store_port, self.address = world, seconds, store_port, f"{host}:{port}"
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        try:
            self._server = socket.create_server(("", port), family=family, backlog=128, dualstack_ipv6=both)
        except OSError as error:
            raise UserError(
                f"{self.address} (PADDLE_MASTER): rank 0 cannot listen here ({error.strerror}); choose another port, "
                "or end the job that uses it"
            ) from None
        self._server.settimeout(TICK)
        self._clock = Clock()
        self._strangers: dict[Connection, tuple[str, str]] = {}
        self._members: dict[int, Member] = {}
        self._complete, self._met = False, 0
        self._closing = threading.Event()
        self._failure: list[Any] = []

    def run(self) -> None:
        beat = 0.0
        while not (self._complete or self._closing.is_set()) or not self._all_left():
            connections = [member.connection for member in self._members.values() if not member.left]
            found = wait([self._server, *self._strangers, *connections], TICK)
            now = self._clock.tick()
            for ready in found:
                self._accept() if ready is self._server else self._read(ready)  # type: ignore[arg-type]
            if now - beat > BEAT:
                beat = now
                self._tell_all("alive")
            self._check_silence(now)

    def close(self, seconds: float) -> None:
        """Wait until all ranks have left and so heard what they were told, for some seconds at most."""
        self._closing.set()
        self.join(seconds)

    def _all_left(self) -> bool:
        return all(member.left for member in self._members.values())

    def _accept(self) -> None:
        try:
            sock, there = self._server.accept()
        except OSError:
            return
        ends = [end[0].removeprefix("::ffff:") for end in (sock.getsockname(), there)]
        self._strangers[connection_of(sock)] = (ends[0], ends[1])

    def _read(self, connection: Connection) -> None:
        member = next((member for member in self._members.values() if member.connection is connection), None)
        try:
            kind, value = receive(connection)
            if member is None:
                self._join(connection, kind, value)
            else:
                member.heard = self._clock.now()
                self._handle(member, kind, value)
        except (OSError, TypeError, LookupError):
            if member is None:
                self._strangers.pop(connection, None)
                connection.close()
            elif not member.left:
                member.left = True
                self._fail(f"{member.name} {GONE}")

    def _join(self, connection: Connection, kind: str, value: Any) -> None:
        rank, world, host = value["rank"], value["world"], value["host"]
        here, there = self._strangers.pop(connection)
        if world != self.world:
            refusal = f"rank {rank} was started as one of {world}, but this job has {self.world} ranks"
        elif rank in self._members:
            refusal = f"rank {rank} is already there: two processes have this rank, or two jobs this port"
        else:
            self._members[rank] = Member(f"rank {rank} ({host})", connection, here, there, self._clock.now())
            if self._failure:
                send(connection, "failed", self._failure)
            elif len(self._members) == self.world:
                self._welcome()
            return
        send(connection, "failed", [f"{self.address} (PADDLE_MASTER): {refusal}", MISTAKE])
        connection.close()

    def _welcome(self) -> None:
        """Tell all ranks that they are complete, Paddle's port, their own address, and the name of rank 0."""
        self._complete = True
        remote = [member for member in self._members.values() if member.here != member.there]
        for member in self._members.values():
            address = member.there if member in remote else remote[0].here if remote else member.here
            self._tell(member, "complete", [self.store_port, address, self._members[0].name])

    def _handle(self, member: Member, kind: str, value: Any) -> None:
        if kind == "arrived":
            member.arrived = value
            members = self._members.values()
            if min(other.arrived for other in members) > self._met:
                self._met += 1
                self._tell_all("met", self._met)
            elif gone := [other.name for other in members if other.left and other.arrived < value]:
                self._fail(f"{', '.join(gone)} has ended while others wait for it")
        elif kind == "failed":
            self._fail(f"{member.name}: {value[0]}", value[1])
        elif kind == "late":
            late = self._late()
            self._fail(f"{value}: the others wait for {', '.join(late)}" if late else f"{member.name}: {value}")
        elif kind == "left":
            member.left = True
            waiting = [other for other in self._members.values() if other.arrived > max(self._met, member.arrived)]
            if waiting or not self._complete:
                self._fail(f"{member.name} has ended while others wait for it")

    def _late(self) -> list[str]:
        """Return the names of the ranks that others wait for at a barrier, or else of those that were not heard."""
        members, now = self._members.values(), self._clock.now()
        late = [member.name for member in members if member.arrived == self._met]
        if len(late) == len(members):
            late = [member.name for member in members if now - member.heard > SUSPENDED]
        return late

    def _check_silence(self, now: float) -> None:
        if not self._complete:
            if now > self.seconds and not self._failure:
                missing = ", ".join(str(rank) for rank in range(self.world) if rank not in self._members)
                self._fail(
                    f"{self.address} (PADDLE_MASTER): rank {missing} of {self.world} has not connected for "
                    f"{self.seconds:.0f} s: check that it was started, that its machine can resolve and reach this "
                    "address, and that no firewall blocks the port",
                    MISTAKE,
                )
            return
        silent = [m.name for m in self._members.values() if not m.left and now - m.heard > SILENCE]
        if silent:
            self._fail(f"{', '.join(silent)} {SILENT}")

    def _fail(self, reason: str, exit_code: int = RETRY) -> None:
        if not self._failure:
            self._failure = [reason, exit_code]
            self._tell_all("failed", self._failure)

    def _tell_all(self, kind: str, value: Any = None) -> None:
        for member in self._members.values():
            if not member.left:
                self._tell(member, kind, value)

    def _tell(self, member: Member, kind: str, value: Any = None) -> None:
        try:
            send(member.connection, kind, value)
        except OSError:
            return  # `_read` and `_check_silence` notice that it is gone
