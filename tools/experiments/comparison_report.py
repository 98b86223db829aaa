"""The report of an experiment: one HTML page with plots and tables, from its JSON files alone."""

from collections.abc import Iterator
from pathlib import Path

from comparison_plots import plots
from comparison_tables import tables
from run_results import LanguageResults, read_results

from ernie_paddle.files import read_json
from ernie_paddle.html_page import html_figure, html_heading, html_paragraph, html_table, write_html

PAPER = Path(__file__).with_name("paper.json")
READING = (
    "± is the standard deviation over the seeds of pre-training, in the row from_scratch or initial over those of "
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
        yield from (html_figure(f"{group}: {name}", draw()) for name, draw in plots(results, group))
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
