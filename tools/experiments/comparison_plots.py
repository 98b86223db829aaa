"""The plots of an experiment, from its JSON files alone."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib
from comparison_tables import downstream_scores, last_scores, with_unpretrained
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from run_results import LanguageResults, read_results

from ernie_paddle.files import as_json, atomic_write

JsonDict = dict[str, Any]

PLOTS = "plots"  # folder beside the JSON files
SVG_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": PLOTS}  # the same figure gives the same bytes


def write_plots(path: Path) -> None:
    """Write every plot of an experiment as SVG beside its JSON files. `path` is the experiment's file of results.

    A plot holds the checksum of the results that it shows (`shown_checksum`). One that holds it already is left.
    """
    for results in read_results(path):
        for group in results.described["groups"]:
            checksum = shown_checksum(results, group)
            for name, draw in plots(results, group):
                own = plot_path(path, results.language, group, name)
                if not own.is_file() or checksum not in own.read_text(encoding="utf-8"):
                    with matplotlib.rc_context(SVG_SETTINGS), atomic_write(own, "wb") as file:
                        draw().savefig(file, format="svg", metadata={"Date": None, "Description": checksum})


def plot_path(path: Path, language: str, group: str, name: str) -> Path:
    """Return the file of a plot. `path` is the experiment's file of results."""
    return path.parent / PLOTS / f"{language}_{group}_{name.replace(' ', '_')}.svg"


def shown_checksum(results: LanguageResults, group: str) -> str:
    """Return the SHA-256 of the results that the plots of a group show."""
    shown = [results.described["recipes"], results.described["tasks"], with_unpretrained(results, group)]
    return hashlib.sha256(as_json(shown).encode()).hexdigest()


def plots(results: LanguageResults, group: str) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Yield what each plot of a group shows, and what draws it; none of task embeddings: their table says all."""
    recipes, runs = results.described["recipes"], results.of_group(group)
    if group == "budget":
        yield "learning curves", partial(learning_curve_plot, results)
    elif group != "task_ids":
        if recipes:
            yield "downstream scores", partial(downstream_plot, with_unpretrained(results, group), recipes)
        yield "held-out scores", partial(held_out_plot, runs, results.described["tasks"])


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
