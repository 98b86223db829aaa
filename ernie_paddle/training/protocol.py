"""The same fine-tuning several times, over seeds or the points of a grid, as one table.

All figures are shares or correlations (see `Scores`); tables show them in per cent.
"""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json, written_whole
from ernie_paddle.metric import Scores

STEP, DEGENERATE, PAPER = "step", "degenerate", "paper"
Figures = dict[str, float]


@dataclass(frozen=True)
class RunRecord:
    """One finished run.

    `settings` has what varies between runs, such as `{"seed": 1}`. `dev` are the scores of the kept model on the file
    that chose it, `step` the update at which it was kept; `others` its scores on further files by their name (`test`,
    `dev_mismatched`).
    """

    settings: Mapping[str, Any]
    step: int
    dev: Scores
    others: Mapping[str, Scores] = field(default_factory=dict)

    def figures(self) -> Figures:
        """All figures by column: `dev accuracy`, `test accuracy`, ..."""
        files = {"dev": self.dev, **self.others}
        return {f"{file} {name}": value for file, scores in files.items() for name, value in scores.figures.items()}

    @property
    def degenerate(self) -> str | None:
        """Why the kept model tells nothing apart on some file, or None."""
        reasons = (f"{file}: {s.degenerate}" for file, s in {"dev": self.dev, **self.others}.items() if s.degenerate)
        return "; ".join(reasons) or None


@dataclass(frozen=True)
class Statistics:
    """Several runs in figures by column.

    `deviation` is the standard deviation over runs - 1, None for a single run. `best` are all figures of the run that
    is best on dev (the first of equal ones), so that the test file chooses nothing.
    """

    runs: int
    median: Figures
    mean: Figures
    deviation: Figures | None
    best: Figures


@dataclass(frozen=True)
class Protocol:
    """Runs and their statistics: over all of them, and over those that are not degenerate.

    `sound` is None where no run is sound; it equals `all` where none is degenerate. `paper` has published figures by
    column, also of files that the runs do not have, such as a leaderboard's test set; `paper_source` says where they
    were published.
    """

    runs: tuple[RunRecord, ...]
    ranks_by: str
    all: Statistics
    sound: Statistics | None
    paper: Mapping[str, float]
    paper_source: str = ""

    @property
    def degenerate(self) -> int:
        """How many runs are degenerate."""
        return sum(run.degenerate is not None for run in self.runs)


def compare_runs(
    runs: Sequence[RunRecord], paper: Mapping[str, float] | None = None, paper_source: str = ""
) -> Protocol:
    """The protocol of runs of one recipe, in the order given.

    Raises:
        ValueError: no runs, or runs that do not have the same settings and figures.
    """
    if not runs:
        raise ValueError("no runs to compare")
    columns = list(runs[0].figures())
    for run in runs:
        if list(run.figures()) != columns or list(run.settings) != list(runs[0].settings):
            raise ValueError(f"runs differ in their settings or figures: {runs[0].settings} and {run.settings}")
    sound = [run for run in runs if run.degenerate is None]
    ranks_by = f"dev {runs[0].dev.ranks_by}"
    over_sound = _over(sound) if sound else None
    return Protocol(tuple(runs), ranks_by, _over(runs), over_sound, dict(paper or {}), paper_source)


def _over(runs: Sequence[RunRecord]) -> Statistics:
    rows = [run.figures() for run in runs]

    def each(function: Callable[[list[float]], float]) -> Figures:
        return {name: function([row[name] for row in rows]) for name in rows[0]}

    best = max(runs, key=lambda run: run.dev.rank)
    deviation = each(statistics.stdev) if len(runs) > 1 else None
    return Statistics(len(runs), each(statistics.median), each(statistics.fmean), deviation, best.figures())


# ---- as tables and files ----


def protocol_table(title: str, protocol: Protocol) -> Table:
    """Each run, then the statistics of all and, if some are degenerate, of the others; figures in per cent."""
    columns, runs, summaries = _rows(protocol, lambda value: f"{100 * value:.2f}")
    note = f"per cent; models and runs are ranked by {protocol.ranks_by}; deviation: standard, over runs - 1"
    marked = [(run, number) for number, run in enumerate(protocol.runs, 1) if run.degenerate]
    reasons = [f"{DEGENERATE}: run {number} ({run.degenerate})" for run, number in marked]
    source = [f"{PAPER}: {protocol.paper_source}"] if protocol.paper and protocol.paper_source else []
    table = Table(title=title, caption="\n".join([note, *reasons, *source]), caption_justify="left")
    for column in columns[:-1]:
        table.add_column(column, justify="left" if column == "run" else "right", no_wrap=column == "run")
    for section in (runs, summaries):
        for *cells, reason in section:
            table.add_row(*cells, style="dim" if reason else None)
        table.add_section()
    return table


def write_protocol(path: Path, protocol: Protocol) -> None:
    """Write runs and statistics, `.json` as records or `.tsv` as rows; figures as shares with all digits.

    Raises:
        UserError: the name ends otherwise.
    """
    if path.suffix == ".json":
        write_json(path, _record(protocol))
    elif path.suffix == ".tsv":
        columns, runs, summaries = _rows(protocol, repr)
        if protocol.paper and protocol.paper_source:
            summaries[-1][0] += f" ({protocol.paper_source})"
        with written_whole(path) as file:
            for row in (columns, *runs, *summaries):
                file.write("\t".join(row) + "\n")
    else:
        raise UserError(f"{path}: the table ends in .json or .tsv")


def _rows(protocol: Protocol, text: Callable[[float], str]) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Header, a row a run, and the rows below them; the last column says why a run is degenerate."""
    settings = list(protocol.runs[0].settings)
    names = list(protocol.runs[0].figures() | dict(protocol.paper))

    def row(name: str, given: Sequence[Any], step: str, figures: Mapping[str, float], reason: str = "") -> list[str]:
        values = [text(figures[column]) if column in figures else "-" for column in names]
        return [
            name,
            *(value if isinstance(value, str) else json.dumps(value) for value in given),
            step,
            *values,
            reason,
        ]

    runs = [
        row(str(number), list(run.settings.values()), str(run.step), run.figures(), run.degenerate or "")
        for number, run in enumerate(protocol.runs, 1)
    ]
    blank = [""] * len(settings)
    summaries = []
    for kind, over in _summaries(protocol).items():
        named = {"median": over.median, "mean": over.mean, "deviation": over.deviation or {}, "best": over.best}
        summaries += [row(f"{name} {kind}", blank, "", figures) for name, figures in named.items()]
    if protocol.paper:
        summaries.append(row(PAPER, blank, "", protocol.paper))
    return ["run", *settings, STEP, *names, DEGENERATE], runs, summaries


def _summaries(protocol: Protocol) -> dict[str, Statistics]:
    """Statistics by what they are over: all runs, and apart from them the sound ones where some are not."""
    result = {f"of all {protocol.all.runs}": protocol.all}
    if protocol.degenerate and protocol.sound:
        result[f"of the {protocol.sound.runs} not {DEGENERATE}"] = protocol.sound
    return result


def _record(protocol: Protocol) -> dict[str, Any]:
    runs = [
        {
            "settings": dict(run.settings),
            STEP: run.step,
            "scores": {file: scores.as_record() for file, scores in {"dev": run.dev, **run.others}.items()},
            DEGENERATE: run.degenerate,
        }
        for run in protocol.runs
    ]
    return {
        "ranks_by": protocol.ranks_by,
        "runs": runs,
        "all": asdict(protocol.all),
        f"not_{DEGENERATE}": asdict(protocol.sound) if protocol.sound else None,
        PAPER: dict(protocol.paper),
        "paper_source": protocol.paper_source,
    }
