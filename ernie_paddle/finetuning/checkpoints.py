"""A recipe that is fine-tuned from each checkpoint of a pre-training run: what its steps are worth to a task."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table

from ernie_paddle.arguments import Resume
from ernie_paddle.console import open_console, print_table
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write
from ernie_paddle.finetuning.settings import FinetuneSettings
from ernie_paddle.finetuning.statistics import RunStatistics
from ernie_paddle.finetuning.sweep import SweepPoint, run_sweep, statistics_of
from ernie_paddle.html_page import html_table, write_page
from ernie_paddle.model import saved
from ernie_paddle.ranks import Ranks
from ernie_paddle.training.run import run_folder

TABLE = "checkpoints"  # name of the table, the figure and the page, without their endings
NOTE = "per cent: mean ± standard deviation of the sample"


def evaluate_checkpoints(
    run: Path,
    out: Path,
    sweep: Sequence[SweepPoint],
    run_point: Callable[[Path, SweepPoint, Path, Resume], None],
    settings_of: Callable[[SweepPoint], FinetuneSettings],
    resume: Resume,
) -> None:
    """Fine-tune every point of a sweep from every checkpoint of a run, then write and show the values by step.

    The runs from a checkpoint are a sweep in `out/step_N`. The first argument of `run_point` is the checkpoint. Unless
    `resume` is "no", finished runs are skipped.

    Raises:
        UserError: `out` is in the run, the run has no complete checkpoint, `resume` is "yes" but no run was started,
            or see `run_sweep`.
    """
    saved.check_apart(out, run)
    ranks = Ranks.of_this_process()
    console = open_console(stderr=True, quiet=not ranks.is_main_process)
    checkpoints = complete_checkpoints(run, lambda line: console.print(f"warning: {line}", soft_wrap=True))
    if resume == "yes" and not any((out / path.name).exists() for path in checkpoints):
        raise UserError(f"{out}: no run to resume; with --resume auto, the first one starts instead")
    with run_folder(out, ranks):
        for path in checkpoints:
            console.print(f"from {path}:", soft_wrap=True)
            each: Resume = "no" if resume == "no" else "auto"
            run_sweep(sweep, path, out / path.name, partial(run_point, path), settings_of, each)
        if ranks.is_main_process:
            write_curve(run, {_step(path): statistics_of(sweep, out / path.name, {}) for path in checkpoints}, out)


def complete_checkpoints(run: Path, report: Callable[[str], None]) -> list[Path]:
    """Return the checkpoints of a run whose model is complete, oldest first. Calls `report` for each one it skips.

    Raises:
        UserError: there are none.
    """
    complete = list(saved.accepted(saved.checkpoints(run), saved.check_model, report))
    if not complete:
        raise UserError(f"{run}: no complete checkpoint ({saved.STEP}N); name the folder of a pre-training run")
    return complete


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(saved.STEP))


def write_curve(run: Path, by_step: Mapping[int, RunStatistics], out: Path) -> None:
    """Write `checkpoints.tsv` with unrounded values, `.html` and `.png` with a curve over the steps; show the table."""
    columns = list(next(iter(by_step.values())).all.mean)
    with atomic_write(out / f"{TABLE}.tsv") as file:
        names = [f"{column} {what}" for column in columns for what in ("mean", "deviation")]
        file.write("\t".join(["step", "runs", "degenerate", *names]) + "\n")
        for step, found in by_step.items():
            values = [value for column in columns for value in _mean_and_deviation(found, column)]
            cells = ["-" if value is None else repr(value) for value in values]
            file.write("\t".join([str(step), str(found.all.runs), str(found.degenerate), *cells]) + "\n")
    title, header = f"{run}: fine-tuned from each checkpoint", ["step", "runs", "degenerate", *columns]
    rows = [
        [f"{step:,}", str(found.all.runs), str(found.degenerate), *(_shown(found, column) for column in columns)]
        for step, found in by_step.items()
    ]
    table = Table(title=title, caption=NOTE, caption_justify="left")
    for column in header:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    for suffix in (".png", ".html"):
        write_page(out / f"{TABLE}{suffix}", title, draw_curve(by_step), [], [html_table(NOTE, header, rows)])
    console = open_console()
    print_table(console, table)
    console.print(f"{out / TABLE}.tsv, .html, .png: written", soft_wrap=True)


def _mean_and_deviation(found: RunStatistics, column: str) -> tuple[float, float | None]:
    return found.all.mean[column], found.all.deviation[column] if found.all.deviation else None


def _shown(found: RunStatistics, column: str) -> str:
    mean, deviation = _mean_and_deviation(found, column)
    return f"{100 * mean:.2f}" + ("" if deviation is None else f" ± {100 * deviation:.2f}")


def draw_curve(by_step: Mapping[int, RunStatistics]) -> Figure:
    """Return a figure of the selection metric over the steps: a curve for each set, with the deviations as bars."""
    first = next(iter(by_step.values()))
    metric = first.selection_metric.partition(" ")[2]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for column in (column for column in first.all.mean if column.partition(" ")[2] == metric):
        means, deviations = zip(*(_mean_and_deviation(found, column) for found in by_step.values()), strict=True)
        bars = None if None in deviations else [100 * deviation for deviation in deviations]
        axes.errorbar(list(by_step), [100 * mean for mean in means], bars, fmt="o-", capsize=3, label=column)
    axes.set_xlabel("steps of pre-training")
    axes.set_ylabel(f"{metric}, per cent")
    axes.legend()
    return figure
