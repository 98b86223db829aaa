"""The report of a run: one HTML page of what its log says about each task over the stages."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ernie_paddle.errors import UserError
from ernie_paddle.html_page import html_table, write_page
from ernie_paddle.training.evaluation import (
    COLUMNS,
    backward_transfer,
    best_scores,
    earlier_tasks,
    forgetting,
    score_row,
    task_of,
    transfer_text,
)
from ernie_paddle.training.log_file import LOG_FILE, read_log, read_result, selected_and_test

JsonDict = dict[str, Any]

HELD_OUT_COLORS = ("tab:orange", "tab:green", "tab:red")
RESULT_COLUMNS = ("run", "metric", "dev", "test")


def read_results(runs: list[Path]) -> dict[str, JsonDict]:
    """Read the results of fine-tuning runs, by the runs' folders."""
    return {str(run): read_result(run) for run in runs}


def result_rows(results: dict[str, JsonDict]) -> list[list[str]]:
    """Return a row of text per fine-tuning run with the values of its selection metric in per cent.

    The columns are `RESULT_COLUMNS`.
    """
    rows = []
    for run, result in results.items():
        dev, test = selected_and_test(result)
        shown = (
            f"{100 * scores['values'][scores['selection_metric']]:.2f}" if scores else "-" for scores in (dev, test)
        )
        rows.append([run, dev["selection_metric"], *shown])
    return rows


def write_report(run: Path, results: dict[str, JsonDict], out: Path) -> list[JsonDict]:
    """Write the page (`.html`) or only its figure (`.png`), and return the run's `evaluation` records.

    All numbers are those of the log, which may begin with the records of an earlier run that this one continues.
    `results` are the fine-tuning runs to compare (see `read_results`).

    Raises:
        UserError: there is no log, or no steps are logged yet.
    """
    path = run / LOG_FILE
    if not path.is_file():
        raise UserError(f"{path}: not found; name the folder of a run")
    records = read_log(path)
    train, evaluations, stops = (
        [record for record in records if record["event"] == event] for event in ("train", "evaluation", "stop")
    )
    if not train:
        raise UserError(f"{path}: no steps logged yet")
    tables = [*_step_tables(train), *_score_tables(evaluations)]
    if results:
        tables.append(html_table("Fine-tuning: best models, per cent", RESULT_COLUMNS, result_rows(results)))
    write_page(out, str(run), draw(train, evaluations), _summary(train, evaluations, stops), tables)
    return evaluations


def _summary(train: list[JsonDict], evaluations: list[JsonDict], stops: list[JsonDict]) -> Iterator[str]:
    """Yield sentences about the whole run."""
    steps, tokens = train[-1]["step"], sum(record["tokens"] for record in train)
    seconds = sum(record["seconds"] for record in train)
    duration = timedelta(seconds=round(seconds))
    yield f"{steps:,} steps, {tokens:,} tokens, {duration} of training, {tokens / seconds:,.0f} tokens/s."
    if evaluations and (best := evaluations[-1]["best"]):
        yield f"Best step: {best['step']:,}, with {best['value']:.4f}."
    for record in stops:
        continued = "; the run was continued" if record["step"] < steps else ""
        yield f"Stopped after step {record['step']:,} by {record['reason']}{continued}."


# ---- the figure ----


def draw(train: list[JsonDict], evaluations: list[JsonDict]) -> Figure:
    """Return a figure with the held-out accuracy of all tasks, and one panel per task with its losses.

    Training losses are lines, held-out scores are lines with dots, stages are numbered bands.
    """
    names = task_names(train)
    rows = -(-(len(names) + 1) // 2)
    figure = Figure(figsize=(12.4, 2.9 * rows), layout="constrained")
    panels = [figure.add_subplot(rows, 2, number + 1) for number in range(len(names) + 1)]
    scored = list(dict.fromkeys(name for record in evaluations for name in record["tasks"]))
    for name in scored:
        panels[0].plot(*_curve(evaluations, name, "accuracy"), ".-", linewidth=1, label=name)
    for axes, name in zip(panels[1:], names, strict=True):
        axes.plot(*_curve(train, name, "loss"), color="tab:blue", linewidth=1, label="training")
        for number, score in enumerate(score for score in scored if task_of(score) == name):
            label, color = f"held-out{score.removeprefix(name)}", HELD_OUT_COLORS[number % len(HELD_OUT_COLORS)]
            axes.plot(*_curve(evaluations, score, "loss"), "o-", color=color, markersize=3, linewidth=1, label=label)
            last = next(record["tasks"][score] for record in reversed(evaluations) if score in record["tasks"])
            if last["unigram_loss"] is not None:
                axes.axhline(
                    last["unigram_loss"], color=color, linestyle=":", label=label.replace("held-out", "unigram")
                )
    for axes, title in zip(panels, ("held-out accuracy", *names), strict=True):
        _shade_stages(axes, train)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("steps", fontsize=8)
        axes.set_ylabel("loss" if title in names else "accuracy", fontsize=8)
        axes.tick_params(labelsize=8)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7)
    return figure


def _curve(records: list[JsonDict], name: str, score: str) -> tuple[list[int], list[float]]:
    """Return the steps of the records that have scores of a task, and one of these scores, NaN for None."""
    found = {record["step"]: record["tasks"][name][score] for record in records if name in record["tasks"]}
    return list(found), [math.nan if value is None else value for value in found.values()]


def _shade_stages(axes: Axes, train: list[JsonDict]) -> None:
    begin = 0
    for stage in _stages(train):
        end = max(record["step"] for record in train if record["stage"] == stage)
        axes.axvspan(begin, end, color="0.93" if stage % 2 == 0 else "0.98", zorder=0)
        middle, top = (begin + end) / 2, axes.get_xaxis_transform()
        axes.text(middle, 0.98, str(stage), transform=top, ha="center", va="top", fontsize=7, color="0.5")
        begin = end


# ---- steps, samples and labels ----


def _stages(train: list[JsonDict]) -> list[int]:
    return sorted({record["stage"] for record in train})


def task_names(train: list[JsonDict]) -> list[str]:
    """Return the tasks of `train` records, in the order of their first steps."""
    return list(dict.fromkeys(name for record in train for name in (*record["steps"], *record["tasks"])))


def _counts(train: list[JsonDict], key: str) -> dict[str, Counter[int]]:
    """Return the counts under a key of `train` records, by task and stage."""
    counts = {name: Counter[int]() for name in task_names(train)}
    for record in train:
        for name, count in record[key].items():
            counts[name][record["stage"]] += count
    return counts


def _step_tables(train: list[JsonDict]) -> Iterator[str]:
    """Yield the tables of what each task was trained on, by stage."""
    with_labels = [
        {**record, "labels": {name: scores["labels"] for name, scores in record["tasks"].items()}} for record in train
    ]
    primary, auxiliary, samples, labels = (
        _counts(with_labels, key) for key in ("steps", "auxiliary_steps", "samples", "labels")
    )
    steps, all_samples = sum(primary.values(), Counter[int]()), sum(samples.values(), Counter[int]())
    effective = {name: primary[name] + auxiliary[name] for name in primary}
    yield _count_table("Steps of each task in each stage, as the primary task", train, primary, steps)
    yield _count_table("Steps of other tasks that have the loss of the task too", train, auxiliary, steps)
    yield _count_table("Effective steps: all that train the task", train, effective, steps)
    yield _count_table("Samples of each task in each stage", train, samples, all_samples)
    yield _count_table("Labels of each task in each stage", train, labels, None)


def _count_table(
    caption: str, train: list[JsonDict], counts: Mapping[str, Counter[int]], wholes: Counter[int] | None
) -> str:
    """Return a table of counts by task and stage, with their shares of the stages' `wholes`."""

    def cell(count: int, whole: int) -> str:
        return f"{count:,} ({count / whole:.1%})" if whole else f"{count:,}"

    stages, whole_of = _stages(train), wholes or Counter[int]()
    rows = [
        [name, *(cell(row[stage], whole_of[stage]) for stage in stages), cell(row.total(), whole_of.total())]
        for name, row in counts.items()
    ]
    return html_table(caption, ["task", *(f"stage {stage}" for stage in stages), "total"], rows)


# ---- held-out scores ----


def _score_tables(evaluations: list[JsonDict]) -> Iterator[str]:
    """Yield the tables of the scores at the end of each stage, and of what was forgotten since."""
    for record in {record["stage"]: record for record in evaluations}.values():
        rows = [[name, *score_row(scores)] for name, scores in record["tasks"].items()]
        caption = f"Held-out scores after step {record['step']:,} (stage {record['stage']})"
        yield html_table(caption, ["task", *COLUMNS], rows)
    if evaluations:
        yield _forgetting_table(evaluations)
    if evaluations and backward_transfer(evaluations):
        yield _transfer_table(evaluations)


def _forgetting_table(evaluations: list[JsonDict]) -> str:
    losses, accuracies = best_scores(evaluations, "loss"), best_scores(evaluations, "accuracy")
    lost, rows = forgetting(evaluations), []
    for name, last in evaluations[-1]["tasks"].items():
        loss, accuracy = losses[name], accuracies[name]
        of_loss = [f"{loss.value:.3f}", f"{loss.step:,}", f"{last['loss']:.3f}", f"{lost[name]['loss']:.3f}"]
        of_accuracy = [f"{accuracy.value:.1%}", f"{accuracy.step:,}", f"{last['accuracy']:.1%}"]
        rows.append([name, *of_loss, *of_accuracy, f"{lost[name]['accuracy']:.1%}"])
    header = ["best loss", "at step", "last loss", "forgotten", "best accuracy", "at step", "last accuracy"]
    return html_table("Forgetting: best and last held-out scores", ["task", *header, "forgotten"], rows)


def _transfer_table(evaluations: list[JsonDict]) -> str:
    last, mean = evaluations[-1]["tasks"], backward_transfer(evaluations)
    assert mean is not None
    rows = []
    for name, own in earlier_tasks(evaluations).items():
        then, now = own["tasks"][name], last[name]
        losses = [f"{then['loss']:.3f}", f"{now['loss']:.3f}", f"{now['loss'] - then['loss']:+.3f}"]
        accuracies = [f"{then['accuracy']:.1%}", f"{now['accuracy']:.1%}"]
        change = f"{now['accuracy'] - then['accuracy']:+.2%}"
        rows.append([name, str(own["stage"]), *losses, *accuracies, change])
    rows.append(["mean", "", "", "", f"{mean['loss']:+.3f}", "", "", f"{mean['accuracy']:+.2%}"])
    header = [
        "task",
        "own stage",
        "loss after it",
        "last loss",
        "change",
        "accuracy after it",
        "last accuracy",
        "change",
    ]
    return html_table(f"Backward transfer, the mean over earlier tasks: {transfer_text(mean)}", header, rows)
