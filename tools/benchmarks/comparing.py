"""What the comparisons with peers share: processes that take turns, and their ratios as a table."""

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
    """Real tokens a second of each peer, round by round; the ratios are the first peer's to the others'.

    `peers`: the python and the name of a script in `peers/`.
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
    speeds = {name: [tokens / seconds for seconds, tokens in found] for name, found in steps.items()}
    first = processes[0].name
    table = Table("peer", title=title)
    for column in ("ms a step", "tokens/s", f"{first} / peer, median", "from", "to"):
        table.add_column(column, justify="right")
    for name, found in speeds.items():
        ratios = [mine / theirs for mine, theirs in zip(speeds[first], found, strict=True)]
        figures = (statistics.median(ratios), min(ratios), max(ratios))
        milliseconds = 1e3 * statistics.median(seconds for seconds, _ in steps[name])
        shown = (f"{milliseconds:,.0f}", f"{statistics.median(found):,.0f}", *(f"{ratio:.2f}" for ratio in figures))
        table.add_row(name, *shown)
    CONSOLE.print(table)
    return speeds


def can_bf16() -> bool:
    """Whether this machine computes in bf16; if not, that is said."""
    from ernie_paddle.programs.devices import check_precision, default_place

    try:
        check_precision("bf16", default_place())
    except UserError as error:
        CONSOLE.print(f"bf16 is not measured: {error}")
        return False
    return True
