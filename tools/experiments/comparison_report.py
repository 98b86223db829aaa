"""The report of an experiment: one HTML page with plots and tables, from its JSON files alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from comparison_tables import downstream_scores, last_scores, tables, with_unpretrained
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from run_results import LanguageResults, read_results

from ernie_paddle.files import read_json
from ernie_paddle.html_page import html_figure, html_heading, html_paragraph, html_table, write_html

JsonDict = dict[str, Any]

PAPER = Path(__file__).with_name("paper.json")
READING = (
    "± is the standard deviation over the seeds of pre-training, in the rows from_scratch and initial over those of "
    "fine-tuning. Differences are paired by the seed of pre-training; an interval that contains 0 shows no difference.",
    "In the plots, a line is the mean over the seeds and its band their range. Dots and bars of downstream scores are "
    "single models and their mean. Dotted lines are the ends of a strategy's stages.",
)


def write_report(path: Path, out: Path) -> None:
    """Write the report of an experiment to `out`. `path` is the experiment's file of results."""
    parts = [html_paragraph(sentence) for sentence in READING]
    for results in read_results(path):
        parts += _language_parts(results)
    write_html(out / f"{path.stem}.html", f"Experiment {path.stem}", parts)


def _language_parts(results: LanguageResults) -> Iterator[str]:
    described, shown = results.described, list(tables(results))
    yield html_heading(f"{results.language}: {described['model']}, {described['budget']:,} steps")
    for group in described["groups"]:
        own = results.of_group(group)
        expected = len(own) * len(results.seeds)
        yield html_heading(f"{results.language}, {group}", 3)
        yield html_paragraph(f"{sum(map(len, own.values()))} of {expected} pre-training runs are finished.")
        yield from (html_figure(f"{group}: {name}", figure) for name, figure in figures(results, group))
        if group == "strategies":
            yield paper_table()
        for table in (table for table in shown if table.group == group):
            yield html_table(table.title, ["", *table.columns], [[name, *cells] for name, cells in table.rows.items()])


def paper_table() -> str:
    """Return the paper's comparison of strategies as HTML."""
    paper = read_json(PAPER, "the paper's values")
    rows = [[name, *map(str, values)] for name, values in paper["accuracy"].items()]
    caption = f"{paper['source']}: accuracy, per cent, after {paper['steps_per_task']:,} steps a task"
    return html_table(caption, ["", *paper["tasks"]], rows)


# ---- plots ----


def figures(results: LanguageResults, group: str) -> Iterator[tuple[str, Figure]]:
    """Yield the plots of a group with what they show; none of task embeddings, of which the table says all."""
    recipes, runs = results.described["recipes"], results.of_group(group)
    if group == "budget":
        yield "learning curves", learning_curve_plot(results)
    elif group != "task_ids":
        if recipes:
            yield "downstream scores", downstream_plot(with_unpretrained(results, group), recipes)
        yield "held-out scores", held_out_plot(runs, results.described["tasks"])


def downstream_plot(variants: Mapping[str, Sequence[JsonDict]], recipes: Sequence[str]) -> Figure:
    """Return a figure with a panel for each recipe: the score of each model as a dot, the mean as a bar."""
    figure = Figure(figsize=(12.4, 1 + 0.35 * len(variants)), layout="constrained")
    for axes, recipe in zip(_panels(figure, 1, len(recipes)), recipes, strict=True):
        for place, runs in enumerate(variants.values()):
            if scores := downstream_scores(runs, recipe):
                axes.plot(scores, [place] * len(scores), "o", color=f"C{place}", markersize=4, alpha=0.6)
                axes.plot(fmean(scores), place, "|", color=f"C{place}", markersize=16, markeredgewidth=2)
        axes.set_yticks(range(len(variants)), variants if axes.get_subplotspec().is_first_col() else [])  # type: ignore[union-attr]
        axes.invert_yaxis()
        axes.set_title(recipe, fontsize=10)
        axes.set_xlabel("test score, per cent", fontsize=8)
        axes.grid(axis="x", color="0.9")
    return figure


def held_out_plot(variants: Mapping[str, Sequence[JsonDict]], tasks: Sequence[str]) -> Figure:
    """Return a figure with a row for each task: its held-out loss and accuracy over the steps, a line per variant."""
    figure = Figure(figsize=(12.4, 2.6 * len(tasks)), layout="constrained")
    panels = iter(_panels(figure, len(tasks), 2))
    last_step = max((run["steps"] for runs in variants.values() for run in runs), default=1)
    for task in tasks:
        for value in ("loss", "accuracy"):
            axes = next(panels)
            for number, (name, runs) in enumerate(variants.items()):
                _held_out_line(axes, runs, task, value, name, f"C{number}")
            axes.set_title(task, fontsize=10)
            axes.set_xlabel("steps", fontsize=8)
            axes.set_ylabel(f"held-out {value}", fontsize=8)
            axes.set_xlim(-0.02 * last_step, 1.02 * last_step)
            if axes.lines:
                axes.legend(fontsize=7)
    return figure


def _held_out_line(axes: Axes, runs: Sequence[JsonDict], task: str, value: str, name: str, color: str) -> None:
    by_step: dict[int, list[float]] = {}
    for record in (record for run in runs for record in run["evaluations"] if task in record["tasks"]):
        by_step.setdefault(record["step"], []).append(record["tasks"][task][value])
    if not by_step:
        return
    steps, scores = list(by_step), list(by_step.values())
    axes.plot(steps, list(map(fmean, scores)), "o-", color=color, linewidth=1, markersize=3, label=name)
    axes.fill_between(steps, list(map(min, scores)), list(map(max, scores)), color=color, alpha=0.15, linewidth=0)
    for end in stage_ends(runs[0])[:-1]:
        axes.axvline(end, color=color, linestyle=":", linewidth=0.7)


def stage_ends(run: JsonDict) -> list[int]:
    """Return the last step of each stage of a run, which ends with an evaluation."""
    return list({record["stage"]: record["step"] for record in run["evaluations"]}.values())


def learning_curve_plot(results: LanguageResults) -> Figure:
    """Return a figure with a panel for each recipe, and one for the held-out loss of masked LM, over the steps."""
    recipes, task, curves = (
        results.described["recipes"],
        results.described["tasks"][0],
        results.described["learning_curves"],
    )
    figure = Figure(figsize=(12.4, 3.2), layout="constrained")
    for number, axes in enumerate(_panels(figure, 1, len(recipes) + 1)):
        recipe = recipes[number] if number < len(recipes) else None
        for color, (name, steps_of) in enumerate(curves.items()):
            scores = {
                steps: downstream_scores(runs, recipe) if recipe else last_scores(runs, task, "loss")
                for variant, steps in sorted(steps_of.items(), key=lambda item: item[1])
                if (runs := results.runs.get(variant))
            }
            known = {steps: own for steps, own in scores.items() if own}
            axes.plot(list(known), list(map(fmean, known.values())), "-", color=f"C{color}", linewidth=1, label=name)
            points = [(steps, score) for steps, own in known.items() for score in own]
            axes.plot(*zip(*points, strict=True), "o", color=f"C{color}", markersize=4, alpha=0.6) if points else None
        axes.set_title(recipe or task, fontsize=10)
        axes.set_xticks(sorted({steps for own in curves.values() for steps in own.values()}))
        axes.set_xlabel("steps", fontsize=8)
        axes.set_ylabel("test score, per cent" if recipe else "held-out loss", fontsize=8)
        axes.legend(fontsize=7)
    return figure


def _panels(figure: Figure, rows: int, columns: int) -> list[Axes]:
    panels = [figure.add_subplot(rows, columns, number + 1) for number in range(rows * columns)]
    for axes in panels:
        axes.tick_params(labelsize=8)
    return panels
