"""Comparisons with peers: processes that take turns step by step, and a table of their ratios."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from stepping import Peer, Step

from ernie_paddle.console import open_console
from ernie_paddle.errors import UserError

ROOT = Path(__file__).parents[2]
OUT = ROOT / "runs/benchmark"
PEERS = Path(__file__).parent / "peers"
WARM_UP = 2  # rounds
PAUSE = 0.5  # seconds before a step: threads of the step before spin for up to 0.2
CONSOLE = open_console()


@dataclass(frozen=True)
class Contender:
    """A program in `peers/` with the Python of its environment and its arguments; `name` is for tables."""

    name: str
    python: str
    script: str
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class Spread:
    """The median of some values by round, and their range."""

    median: float
    smallest: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.smallest:.2f} to {self.largest:.2f})"


def measure(contenders: Sequence[Contender], rounds: int, warm_up: int = WARM_UP) -> dict[str, list[Step]]:
    """Run a step of each contender in turn, round by round; return their steps by name, without the first rounds."""
    processes = [Peer(c.name, c.python, PEERS / f"{c.script}.py", *map(str, c.arguments)) for c in contenders]
    steps: dict[str, list[Step]] = {peer.name: [] for peer in processes}
    for number in range(warm_up + rounds):
        for peer in processes:
            time.sleep(PAUSE)
            step = peer.step(number)
            if number >= warm_up:
                steps[peer.name].append(step)
    for peer in processes:
        peer.close()
    return steps


def compare(
    title: str, peers: list[tuple[str, str]], arguments: tuple[object, ...], rounds: int
) -> dict[str, list[float]]:
    """Return the tokens per second of each peer by round, and print the first peer's ratios to the others.

    `peers` are the Python interpreter and the name of a script in `peers/`. Padding is not counted.
    """
    steps = measure([Contender(name, python, name, arguments) for python, name in peers], rounds)
    speeds = {name: [step.tokens / step.seconds for step in peer_steps] for name, peer_steps in steps.items()}
    first = peers[0][1]
    table = Table("peer", title=title)
    for column in ("ms/step", "tokens/s", f"{first} / peer, median", "from", "to"):
        table.add_column(column, justify="right")
    for name, peer_speeds in speeds.items():
        ratio = Spread.of([ours / theirs for ours, theirs in zip(speeds[first], peer_speeds, strict=True)])
        shown_ratios = (f"{value:.2f}" for value in (ratio.median, ratio.smallest, ratio.largest))
        milliseconds = 1e3 * statistics.median(step.seconds for step in steps[name])
        table.add_row(name, f"{milliseconds:,.0f}", f"{statistics.median(peer_speeds):,.0f}", *shown_ratios)
    CONSOLE.print(table)
    return speeds


def can_bf16() -> bool:
    """Check whether this machine supports bf16, and print the reason if it does not."""
    from ernie_paddle.programs.devices import check_precision, default_place

    try:
        check_precision("bf16", default_place())
    except UserError as error:
        CONSOLE.print(f"bf16 is not measured: {error}")
        return False
    return True
