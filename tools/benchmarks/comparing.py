"""Comparisons with peers: processes that take turns step by step, and a table of their ratios."""

import statistics
from pathlib import Path

from rich.table import Table
from stepping import Peer

from ernie_paddle.console import open_console
from ernie_paddle.errors import UserError

ROOT = Path(__file__).parents[2]
OUT = ROOT / "runs/benchmark"
PEERS = Path(__file__).parent / "peers"
WARM_UP = 2  # rounds
CONSOLE = open_console()


def compare(
    title: str, peers: list[tuple[str, str]], arguments: tuple[object, ...], rounds: int
) -> dict[str, list[float]]:
    """Return the tokens per second of each peer by round, and print the first peer's ratios to the others.

    `peers` are the Python interpreter and the name of a script in `peers/`. Padding is not counted.
    """
    processes = [Peer(name, python, PEERS / f"{name}.py", *map(str, arguments)) for python, name in peers]
    steps: dict[str, list[tuple[float, int]]] = {peer.name: [] for peer in processes}
    for number in range(WARM_UP + rounds):
        for peer in processes:
            step = peer.step(number)
            if number >= WARM_UP:
                steps[peer.name].append(step)
    for peer in processes:
        peer.close()
    speeds = {name: [tokens / seconds for seconds, tokens in peer_steps] for name, peer_steps in steps.items()}
    first = processes[0].name
    table = Table("peer", title=title)
    for column in ("ms/step", "tokens/s", f"{first} / peer, median", "from", "to"):
        table.add_column(column, justify="right")
    for name, peer_speeds in speeds.items():
        ratios = [ours / theirs for ours, theirs in zip(speeds[first], peer_speeds, strict=True)]
        shown_ratios = (f"{ratio:.2f}" for ratio in (statistics.median(ratios), min(ratios), max(ratios)))
        milliseconds = 1e3 * statistics.median(seconds for seconds, _ in steps[name])
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
