"""The same recipe over seeds and the points of a grid, and the tables of all runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from ernie_paddle.console import open_console, print_whole
from ernie_paddle.errors import UserError
from ernie_paddle.files import written_whole
from ernie_paddle.metric import Scores
from ernie_paddle.ranks import Ranks
from ernie_paddle.training.log_file import RESULT_FILE, read_result
from ernie_paddle.training.protocol import Protocol, RunRecord, compare_runs, protocol_table, write_protocol
from ernie_paddle.training.run import run_folder
from ernie_paddle.training.run_settings import FinetuneSettings, Resume

SEED, TABLE = "train.seed", "table"
BEST_RUN = "best_run"  # a file with the name of the folder of the run that is best on dev


@dataclass(frozen=True)
class Point:
    """What varies between the runs of a series: dotted keys and YAML values of the grid, and the seed."""

    grid: Mapping[str, str] = field(default_factory=dict)
    seed: str | None = None

    @property
    def overrides(self) -> list[str]:
        """What `--set` would take."""
        return [f"{key}={value}" for key, value in self.grid.items()] + ([f"{SEED}={self.seed}"] if self.seed else [])

    @property
    def settings(self) -> dict[str, str]:
        """The values by the last part of their keys, as tables show them."""
        values = {key.rpartition(".")[2]: value for key, value in self.grid.items()}
        return values | ({"seed": self.seed} if self.seed else {})

    @property
    def folder(self) -> Path:
        """Where its run goes: `peak=1e-5,batch_samples=16/seed=1`, or what there is of it."""
        grid = ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in self.grid.items())
        return Path(grid, f"seed={self.seed}" if self.seed else "")


def points(seeds: str | None, grid: Sequence[str]) -> list[Point]:
    """Every combination of the values in `key=a,b` and of the seeds `1,2`.

    Raises:
        UserError: a part of the grid has no values, seeds are no numbers.
    """
    axes: dict[str, list[str]] = {}
    for axis in grid:
        key, _, values = axis.partition("=")
        if not key or not _listed(values):
            raise UserError(f"--grid {axis}: write it as key.key=value,value")
        last = key.rpartition(".")[2]
        if key.partition(".")[0].startswith("metric") or last in {one.rpartition(".")[2] for one in axes} | {"seed"}:
            raise UserError(f"--grid {axis}: runs with this key would not stand apart in one table")
        axes[key] = _listed(values)
    named = _listed(seeds or "")
    if seeds is not None and not (named and all(seed.isdigit() for seed in named)):
        raise UserError(f"--seeds {seeds}: write numbers with commas between them, as 1,2,3")
    places = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [Point(place, seed) for place in places for seed in (named or (None,))]


def _listed(values: str) -> list[str]:
    """The values, each once."""
    return list(dict.fromkeys(value.strip() for value in values.split(",") if value.strip()))


def run_series(
    series: Sequence[Point],
    out: Path,
    run_point: Callable[[Point, Path, Resume], None],
    settings_of: Callable[[Point], FinetuneSettings],
    resume: Resume,
) -> None:
    """Run every point in a folder of its own; then write and show a table of all, or of the seeds of each grid point.

    Unless `resume` is "no", finished runs are left as they are.

    Raises:
        UserError: a finished run had other settings, `resume` is "yes" and no run was begun, or another process is at
            work on such a series in `out`.
    """
    if resume == "yes" and not any((out / point.folder).exists() for point in series):
        raise UserError(f"{out}: no run to resume; --resume auto starts anew where there is none")
    ranks = Ranks.of_this_process()
    console = open_console(stderr=True, quiet=not ranks.leads)
    with run_folder(out, ranks):
        for number, point in enumerate(series, 1):
            folder = out / point.folder
            if resume != "no" and (folder / RESULT_FILE).exists():
                if read_result(folder)["run"]["settings"] != settings_of(point).identity():
                    raise UserError(
                        f"{folder}: finished with other settings; choose another --out, or remove that folder"
                    )
                console.print(f"{folder}: finished before", soft_wrap=True)
                continue
            console.print(f"run {number} of {len(series)}: {point.folder}", soft_wrap=True)
            run_point(point, folder, "no" if resume == "no" else "auto")
        if ranks.leads:
            first = settings_of(series[0])
            write_tables(series, out, first.paper, first.paper_source)


def write_tables(
    series: Sequence[Point], out: Path, paper: Mapping[str, Mapping[str, float]], paper_source: str = ""
) -> None:
    """Write `table.tsv` and `table.json` of finished runs, and show them; of several seeds, one for each grid point.

    `paper` has published figures in per cent by set and figure, `paper_source` says where they were published.
    `best_run` names the folder of the run best on dev.
    """
    groups: dict[Path, list[Point]] = {}
    for point in series:
        groups.setdefault(out / point.folder.parent if point.seed else out, []).append(point)
    console = open_console()
    ranks, medians = dict[Path, float](), dict[Path, float]()
    for folder, of_group in groups.items():
        protocol = protocol_of(of_group, out, paper, paper_source)
        for suffix in ("tsv", "json"):
            write_protocol(folder / f"{TABLE}.{suffix}", protocol)
        print_whole(console, protocol_table(str(folder), protocol))
        console.print(f"{folder / TABLE}.tsv, .json: written", soft_wrap=True)
        ranks |= {point.folder: run.dev.rank for point, run in zip(of_group, protocol.runs, strict=True)}
        medians[folder] = protocol.all.median[protocol.ranks_by]
    with written_whole(out / BEST_RUN) as file:
        file.write(f"{max(ranks, key=lambda folder: ranks[folder])}\n")
    if len(groups) > 1:
        best = max(medians, key=lambda folder: medians[folder])
        console.print(f"best median on dev: {best}, {100 * medians[best]:.2f}", soft_wrap=True)


def protocol_of(
    series: Sequence[Point], out: Path, paper: Mapping[str, Mapping[str, float]], paper_source: str = ""
) -> Protocol:
    """Runs beside each other and, as far as they have the same figures or those of a test set, published ones."""
    results = [read_result(out / point.folder) for point in series]
    records = [record_of(result, point) for result, point in zip(results, series, strict=True)]
    chosen, known = results[0]["chosen_on"], records[0].figures()
    published: dict[str, float] = {}
    for name, figures in paper.items():
        column = "dev" if name == chosen else name
        published |= {f"{column} {figure}": value / 100 for figure, value in figures.items()}
    shown = {n: value for n, value in published.items() if n in known or n.startswith("test")}
    return compare_runs(records, shown, paper_source)


def record_of(result: dict[str, Any], point: Point) -> RunRecord:
    """A run's `result.json` as a record of the protocol."""
    sets = {
        name: Scores(one["figures"], one["ranks_by"], one["count"], one["degenerate"])
        for name, one in result["sets"].items()
    }
    dev = sets.pop(result["chosen_on"])
    return RunRecord(point.settings, result["update"], dev, sets)
