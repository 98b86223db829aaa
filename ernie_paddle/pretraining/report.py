"""The report of a run: one HTML page with losses per task over the stages, held-out scores and throughput."""

import base64
import html
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write
from ernie_paddle.training.evaluation import COLUMNS, score_row
from ernie_paddle.training.log_file import LOG_FILE, read_log, read_result

JsonDict = dict[str, Any]

RESULT_COLUMNS = ("run", "metric", "dev", "test")

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .2em .8em; border-bottom: 1px solid #ddd }
td { text-align: right; font-variant-numeric: tabular-nums } td:first-child, th:first-child { text-align: left }
img { max-width: 100% } caption { text-align: left; font-weight: 600; padding: .4em 0 }
"""


def read_results(runs: list[Path]) -> dict[str, JsonDict]:
    """Read the results of fine-tuning runs, by the runs' folders."""
    return {str(run): read_result(run) for run in runs}


def result_rows(results: dict[str, JsonDict]) -> list[list[str]]:
    """Return a row of text per fine-tuning run with the values of its selection metric in per cent.

    The columns are `RESULT_COLUMNS`.
    """
    rows = []
    for run, result in results.items():
        sets = result["sets"]
        test = next((scores for name, scores in sets.items() if name.startswith("test")), None)
        dev = sets[result["selected_on"]]
        shown = (
            f"{100 * scores['values'][scores['selection_metric']]:.2f}" if scores else "-" for scores in (dev, test)
        )
        rows.append([run, dev["selection_metric"], *shown])
    return rows


def write_report(run: Path, results: dict[str, JsonDict], out: Path) -> list[JsonDict]:
    """Write the page (`.html`) or only its figure (`.png`), and return the run's `evaluation` records.

    `results` are the fine-tuning runs to compare (see `read_results`).

    Raises:
        UserError: there is no log, or no steps are logged yet.
    """
    path = run / LOG_FILE
    if not path.is_file():
        raise UserError(f"{path}: not found; name the folder of a run")
    records = read_log(path)
    train = [record for record in records if record["event"] == "train"]
    evaluations = [record for record in records if record["event"] == "evaluation"]
    if not train:
        raise UserError(f"{path}: no steps logged yet")
    figure = draw(train, evaluations)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    if out.suffix == ".png":
        with atomic_write(out, "wb") as file:
            file.write(image.getvalue())
    elif out.suffix == ".html":
        with atomic_write(out) as file:
            file.write(_page(run, train, evaluations, results, base64.b64encode(image.getvalue()).decode()))
    else:
        raise UserError(f"{out}: the name of a report ends in .html or .png")
    return evaluations


def draw(train: list[JsonDict], evaluations: list[JsonDict]) -> Figure:
    """Return a figure with one panel per task: training loss as a line, held-out loss as dots, stages shaded."""
    names = list(dict.fromkeys(name for record in train for name in record["tasks"]))
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(6.2 * columns, 2.9 * rows), layout="constrained")
    for number, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, number + 1)
        _shade_stages(axes, train)
        curve = [(record["step"], record["tasks"][name]["loss"]) for record in train if name in record["tasks"]]
        axes.plot(*zip(*curve, strict=True), color="tab:blue", linewidth=1, label="training")
        held_out = [(record["step"], record["tasks"][name]) for record in evaluations if name in record["tasks"]]
        if held_out:
            steps = [step for step, _ in held_out]
            axes.plot(steps, [score["loss"] for _, score in held_out], "o", color="tab:orange", label="held-out")
            if (unigram_loss := held_out[-1][1]["unigram_loss"]) is not None:
                axes.axhline(unigram_loss, color="grey", linestyle=":", label="unigram")
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("steps", fontsize=8)
        axes.set_ylabel("loss", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7)
    return figure


def _shade_stages(axes: Axes, train: list[JsonDict]) -> None:
    begin = 0
    for stage in sorted({record["stage"] for record in train}):
        end = max(record["step"] for record in train if record["stage"] == stage)
        if stage % 2 == 0:
            axes.axvspan(begin, end, color="0.93", zorder=0)
        begin = end


def _page(
    run: Path, train: list[JsonDict], evaluations: list[JsonDict], results: dict[str, JsonDict], image: str
) -> str:
    steps, tokens = train[-1]["step"], sum(record["tokens"] for record in train)
    seconds = sum(record["seconds"] for record in train)
    parts = [
        f"<p>{steps:,} steps, {tokens:,} tokens, {timedelta(seconds=round(seconds))} of training, "
        f"{tokens / seconds:,.0f} tokens/s.</p>",
        f'<img alt="losses per task" src="data:image/png;base64,{image}">',
        _steps_table(train),
        *(_score_table(record) for record in evaluations),
        _forgetting_table(evaluations),
    ]
    if results:
        parts.append(_table("Fine-tuning: best models, per cent", list(RESULT_COLUMNS), result_rows(results)))
    title = html.escape(str(run))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1>{''.join(parts)}</html>\n"
    )


def _steps_table(train: list[JsonDict]) -> str:
    stages = sorted({record["stage"] for record in train})
    steps: dict[str, dict[int, int]] = {}
    for record in train:
        for name, count in record["steps"].items():
            by_stage = steps.setdefault(name, {})
            by_stage[record["stage"]] = by_stage.get(record["stage"], 0) + count
    rows = [[name, *(f"{counts.get(stage, 0):,}" for stage in stages)] for name, counts in steps.items()]
    return _table("Steps of each task in each stage", ["task", *(f"stage {stage}" for stage in stages)], rows)


def _score_table(record: JsonDict) -> str:
    rows = [[name, *score_row(scores)] for name, scores in record["tasks"].items()]
    return _table(f"Held-out scores after stage {record['stage']}", ["task", *COLUMNS], rows)


def _forgetting_table(evaluations: list[JsonDict]) -> str:
    last = evaluations[-1]["tasks"] if evaluations else {}
    rows = []
    for name, scores in last.items():
        best = min(record["tasks"][name]["loss"] for record in evaluations if name in record["tasks"])
        rows.append([name, f"{best:.3f}", f"{scores['loss']:.3f}", f"{scores['loss'] - best:+.3f}"])
    return _table("Forgetting: best and last held-out loss", ["task", "best", "last", "difference"], rows)


def _table(caption: str, header: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}</table>"
