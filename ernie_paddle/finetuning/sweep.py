"""Sweeps: runs of one recipe over seeds and the points of a grid, and the tables of all runs."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from ernie_paddle.arguments import Resume
from ernie_paddle.console import open_console, print_table
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, sha256_of
from ernie_paddle.finetuning.settings import FinetuneSettings
from ernie_paddle.finetuning.statistics import (
    RunRecord,
    RunStatistics,
    compare_runs,
    statistics_table,
    write_statistics,
)
from ernie_paddle.metric import Scores
from ernie_paddle.model import saved
from ernie_paddle.ranks import Ranks
from ernie_paddle.training.log_file import RESULT_FILE, read_result
from ernie_paddle.training.run import run_folder

SEED, TABLE = "train.seed", "table"
BEST_RUN = "best_run"  # file that names the folder of the run that is best on dev


@dataclass(frozen=True)
class SweepPoint:
    """One point of a sweep: the grid's dotted keys with their YAML values, and the seed."""

    grid: Mapping[str, str] = field(default_factory=dict)
    seed: str | None = None

    @property
    def overrides(self) -> list[str]:
        """The point as arguments of `--set`."""
        return [f"{key}={value}" for key, value in self.grid.items()] + ([f"{SEED}={self.seed}"] if self.seed else [])

    @property
    def settings(self) -> dict[str, str]:
        """The values by the last part of their keys, as shown in tables."""
        values = {key.rpartition(".")[2]: value for key, value in self.grid.items()}
        return values | ({"seed": self.seed} if self.seed else {})

    @property
    def folder(self) -> Path:
        """The folder of the point's run in the sweep: `peak=1e-5,batch_samples=16/seed=1`, or a part of it."""
        grid = ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in self.grid.items())
        return Path(grid, f"seed={self.seed}" if self.seed else "")


def points(seeds: str | None, grid: Sequence[str]) -> list[SweepPoint]:
    """Return every combination of the grid's values, given as `key=a,b`, and the seeds, given as `1,2`.

    Raises:
        UserError: a key of the grid has no values, or a seed is not a number.
    """
    axes: dict[str, list[str]] = {}
    for axis in grid:
        key, _, values = axis.partition("=")
        if not key or not _listed(values):
            raise UserError(f"--grid {axis}: write it as key.key=value,value")
        last = key.rpartition(".")[2]
        if key.partition(".")[0].startswith("metric"):
            raise UserError(f"--grid {axis}: runs with different metrics do not fit into one table")
        if last in {earlier.rpartition(".")[2] for earlier in axes} | {"seed"}:
            raise UserError(f"--grid {axis}: the table of all runs already has a column '{last}'")
        axes[key] = _listed(values)
    seed_list = _listed(seeds or "")
    if seeds is not None and not (seed_list and all(seed.isdigit() for seed in seed_list)):
        raise UserError(f"--seeds {seeds}: write numbers separated by commas, as 1,2,3")
    combinations = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [SweepPoint(combination, seed) for combination in combinations for seed in (seed_list or (None,))]


def _listed(values: str) -> list[str]:
    """Return the distinct values of a comma-separated list. A value in brackets, `[1e-5, 5e-6]`, may hold commas."""
    found = re.findall(r"(?:\[[^\]]*\]|[^,])+", values)
    return list(dict.fromkeys(value.strip() for value in found if value.strip()))


def run_sweep(
    sweep: Sequence[SweepPoint],
    model: Path,
    out: Path,
    run_point: Callable[[SweepPoint, Path, Resume], None],
    settings_of: Callable[[SweepPoint], FinetuneSettings],
    resume: Resume,
) -> None:
    """Run every point in its own folder, then write and show one table, or one for the seeds of each grid point.

    Unless `resume` is "no", finished runs are skipped. `model` is what they all start from.

    Raises:
        UserError: a finished run had other settings or another model, `resume` is "yes" but no run was started, or
            another process uses `out`.
    """
    if resume == "yes" and not any((out / point.folder).exists() for point in sweep):
        raise UserError(f"{out}: no run to resume; with --resume auto, a new sweep starts instead")
    digest = "" if resume == "no" else sha256_of(saved.resolve(model) / saved.MODEL_FILE)
    ranks = Ranks.of_this_process()
    console = open_console(stderr=True, quiet=not ranks.is_main_process)
    with run_folder(out, ranks):
        for number, point in enumerate(sweep, 1):
            folder = out / point.folder
            if resume != "no" and (folder / RESULT_FILE).exists():
                before = read_result(folder)["run"]
                other = "other settings" if before["settings"] != settings_of(point).identity() else ""
                other = other or ("another model" if before["model"] != digest else "")
                if other:
                    raise UserError(f"{folder}: finished with {other}; choose another --out, or remove the folder")
                console.print(f"{folder}: already finished", soft_wrap=True)
                continue
            console.print(f"run {number} of {len(sweep)}: {point.folder}", soft_wrap=True)
            run_point(point, folder, "no" if resume == "no" else "auto")
        if ranks.is_main_process:
            first = settings_of(sweep[0])
            write_tables(sweep, out, first.paper, first.paper_source)


def write_tables(
    sweep: Sequence[SweepPoint], out: Path, paper: Mapping[str, Mapping[str, float]], paper_source: str = ""
) -> None:
    """Write `table.tsv` and `table.json` of finished runs and show them; with seeds, one table per grid point.

    `paper` holds published metric values in per cent by set, and `paper_source` names their source. The file `best_run`
    names the folder of the run that is best on dev.
    """
    groups: dict[Path, list[SweepPoint]] = {}
    for point in sweep:
        groups.setdefault(out / point.folder.parent if point.seed else out, []).append(point)
    console = open_console()
    selection_values, medians = dict[Path, float](), dict[Path, float]()
    for folder, group in groups.items():
        statistics = statistics_of(group, out, paper, paper_source)
        for suffix in ("tsv", "json"):
            write_statistics(folder / f"{TABLE}.{suffix}", statistics)
        print_table(console, statistics_table(str(folder), statistics))
        console.print(f"{folder / TABLE}.tsv, .json: written", soft_wrap=True)
        selection_values |= {
            point.folder: run.dev.selection_value for point, run in zip(group, statistics.runs, strict=True)
        }
        medians[folder] = statistics.all.median[statistics.selection_metric]
    with atomic_write(out / BEST_RUN) as file:
        file.write(f"{max(selection_values, key=lambda folder: selection_values[folder])}\n")
    if len(groups) > 1:
        best = max(medians, key=lambda folder: medians[folder])
        console.print(f"best median on dev: {best}, {100 * medians[best]:.2f}", soft_wrap=True)


def statistics_of(
    sweep: Sequence[SweepPoint], out: Path, paper: Mapping[str, Mapping[str, float]], paper_source: str = ""
) -> RunStatistics:
    """Return the statistics of finished runs. `paper` and `paper_source` are as in `write_tables`.

    Published values of a dev set are included if the runs have them too, those of test sets always.
    """
    results = [read_result(out / point.folder) for point in sweep]
    records = [record_of(result, point) for result, point in zip(results, sweep, strict=True)]
    selected_on, known = results[0]["selected_on"], records[0].values()
    published: dict[str, float] = {}
    for name, values in paper.items():
        column = "dev" if name == selected_on else name
        published |= {f"{column} {value_name}": value / 100 for value_name, value in values.items()}
    shown = {column: value for column, value in published.items() if column in known or column.startswith("test")}
    return compare_runs(records, shown, paper_source)


def record_of(result: dict[str, Any], point: SweepPoint) -> RunRecord:
    """Return the record of a run for the statistics, from its `result.json`."""
    sets = {
        name: Scores(scores["values"], scores["selection_metric"], scores["count"], scores["degenerate"])
        for name, scores in result["sets"].items()
    }
    dev = sets.pop(result["selected_on"])
    return RunRecord(point.settings, result["step"], dev, sets)
