"""Statistics of several fine-tuning runs of one recipe, over seeds or the points of a grid.

All values are shares or correlations (see `Scores`). Tables show them in per cent.
"""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, write_json
from ernie_paddle.metric import Scores

STEP, DEGENERATE, PAPER = "step", "degenerate", "paper"
Values = dict[str, float]


@dataclass(frozen=True)
class RunRecord:
    """One finished run.

    `settings` holds what varies between runs, such as `{"seed": 1}`. `step` is the step of the best model, `dev` its
    scores on the set that selected it, and `others` its scores on the other sets by name (`test`, `dev_mismatched`).
    """

    settings: Mapping[str, Any]
    step: int
    dev: Scores
    others: Mapping[str, Scores] = field(default_factory=dict)

    def values(self) -> Values:
        """Return all metric values by column: `dev accuracy`, `test accuracy`, ..."""
        return {f"{name} {key}": value for name, scores in self.sets.items() for key, value in scores.values.items()}

    @property
    def sets(self) -> dict[str, Scores]:
        """All scores by set, `dev` first."""
        return {"dev": self.dev, **self.others}

    @property
    def degenerate(self) -> str | None:
        """Why the best model is degenerate on some set, or None."""
        reasons = (f"{name}: {scores.degenerate}" for name, scores in self.sets.items() if scores.degenerate)
        return "; ".join(reasons) or None


@dataclass(frozen=True)
class Statistics:
    """Statistics of several runs by column.

    `deviation` is the sample standard deviation (divided by runs - 1), None for a single run. `best` holds the values
    of the run that is best on dev, or the first of several. The test set is never used for selection.
    """

    runs: int
    median: Values
    mean: Values
    deviation: Values | None
    best: Values


@dataclass(frozen=True)
class RunStatistics:
    """Runs and their statistics.

    `all` covers all runs, `sound` those that are not degenerate; `sound` is None if there are none. `paper` holds
    published values by column, including sets that the runs do not have, such as a leaderboard's test set.
    `paper_source` names their source.
    """

    runs: tuple[RunRecord, ...]
    selection_metric: str
    all: Statistics
    sound: Statistics | None
    paper: Mapping[str, float]
    paper_source: str = ""

    @property
    def degenerate(self) -> int:
        """The number of degenerate runs."""
        return sum(run.degenerate is not None for run in self.runs)


def compare_runs(
    runs: Sequence[RunRecord], paper: Mapping[str, float] | None = None, paper_source: str = ""
) -> RunStatistics:
    """Return the statistics of runs of one recipe.

    Raises:
        ValueError: there are no runs, or they differ in the names of their settings or values.
    """
    if not runs:
        raise ValueError("no runs to compare")
    columns = list(runs[0].values())
    for run in runs:
        if list(run.values()) != columns or list(run.settings) != list(runs[0].settings):
            raise ValueError(f"runs differ in their settings or values: {runs[0].settings} and {run.settings}")
    sound = [run for run in runs if run.degenerate is None]
    selection_metric = f"dev {runs[0].dev.selection_metric}"
    of_sound = _statistics(sound) if sound else None
    return RunStatistics(tuple(runs), selection_metric, _statistics(runs), of_sound, dict(paper or {}), paper_source)


def _statistics(runs: Sequence[RunRecord]) -> Statistics:
    rows = [run.values() for run in runs]

    def each(function: Callable[[list[float]], float]) -> Values:
        return {name: function([row[name] for row in rows]) for name in rows[0]}

    best = max(runs, key=lambda run: run.dev.selection_value)
    deviation = each(statistics.stdev) if len(runs) > 1 else None
    return Statistics(len(runs), each(statistics.median), each(statistics.fmean), deviation, best.values())


# ---- as tables and files ----


def statistics_table(title: str, statistics: RunStatistics) -> Table:
    """Return a table in per cent: each run, then the statistics of all runs and of those that are not degenerate."""
    columns, runs, summaries = _rows(statistics, lambda value: f"{100 * value:.2f}")
    note = f"per cent; models and runs are selected by {statistics.selection_metric}; deviation: of the sample"
    marked = [(run, number) for number, run in enumerate(statistics.runs, 1) if run.degenerate]
    reasons = [f"{DEGENERATE}: run {number} ({run.degenerate})" for run, number in marked]
    source = [f"{PAPER}: {statistics.paper_source}"] if statistics.paper and statistics.paper_source else []
    table = Table(title=title, caption="\n".join([note, *reasons, *source]), caption_justify="left")
    for column in columns[:-1]:
        table.add_column(column, justify="left" if column == "run" else "right", no_wrap=column == "run")
    for section in (runs, summaries):
        for *cells, reason in section:
            table.add_row(*cells, style="dim" if reason else None)
        table.add_section()
    return table


def write_statistics(path: Path, statistics: RunStatistics) -> None:
    """Write runs and statistics as JSON records (`.json`) or rows (`.tsv`), with unrounded values.

    Raises:
        UserError: the name has another ending.
    """
    if path.suffix == ".json":
        write_json(path, _record(statistics))
    elif path.suffix == ".tsv":
        columns, runs, summaries = _rows(statistics, repr)
        if statistics.paper and statistics.paper_source:
            summaries[-1][0] += f" ({statistics.paper_source})"
        with atomic_write(path) as file:
            for row in (columns, *runs, *summaries):
                file.write("\t".join(row) + "\n")
    else:
        raise UserError(f"{path}: the name of a table ends in .json or .tsv")


def _rows(
    statistics: RunStatistics, text: Callable[[float], str]
) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Return the header, a row per run and the summary rows. The last column says why a run is degenerate."""
    settings = list(statistics.runs[0].settings)
    names = list(statistics.runs[0].values() | dict(statistics.paper))

    def row(name: str, varied: Sequence[Any], step: str, values: Mapping[str, float], reason: str = "") -> list[str]:
        cells = [text(values[column]) if column in values else "-" for column in names]
        settings = [value if isinstance(value, str) else json.dumps(value) for value in varied]
        return [name, *settings, step, *cells, reason]

    runs = [
        row(str(number), list(run.settings.values()), str(run.step), run.values(), run.degenerate or "")
        for number, run in enumerate(statistics.runs, 1)
    ]
    blank = [""] * len(settings)
    summaries = []
    for scope, summary in _summaries(statistics).items():
        rows = {
            "median": summary.median,
            "mean": summary.mean,
            "deviation": summary.deviation or {},
            "best": summary.best,
        }
        summaries += [row(f"{name} {scope}", blank, "", values) for name, values in rows.items()]
    if statistics.paper:
        summaries.append(row(PAPER, blank, "", statistics.paper))
    return ["run", *settings, STEP, *names, DEGENERATE], runs, summaries


def _summaries(statistics: RunStatistics) -> dict[str, Statistics]:
    """Return the statistics of all runs and, if some runs are degenerate, those of the others."""
    result = {f"of all {statistics.all.runs}": statistics.all}
    if statistics.degenerate and statistics.sound:
        result[f"of the {statistics.sound.runs} not {DEGENERATE}"] = statistics.sound
    return result


def _record(statistics: RunStatistics) -> dict[str, Any]:
    runs = [
        {
            "settings": dict(run.settings),
            STEP: run.step,
            "scores": {name: scores.as_record() for name, scores in run.sets.items()},
            DEGENERATE: run.degenerate,
        }
        for run in statistics.runs
    ]
    return {
        "selection_metric": statistics.selection_metric,
        "runs": runs,
        "all": asdict(statistics.all),
        f"not_{DEGENERATE}": asdict(statistics.sound) if statistics.sound else None,
        PAPER: dict(statistics.paper),
        "paper_source": statistics.paper_source,
    }
