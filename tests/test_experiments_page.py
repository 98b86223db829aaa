"""Every figure on the page of experiments comes from a JSON file beside it, or from that of the paper's values."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from compare_strategies import chosen_settings, parse_arguments
from comparison_plots import plot_path, plots, shown_checksum
from comparison_report import PAPER
from comparison_tables import tables
from pages import ROOT, Page
from run_results import read_results

PAGE = Page.read(ROOT / "docs/experiments.md")
FOLDER = ROOT / "docs/experiments"
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w.]*\w)")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def experiments() -> list[Path]:
    """Return the files of whole experiments."""
    return [path for path in FOLDER.glob("*.json") if "settings" in read_json(path)]


def cells_below(line: str) -> list[list[str]]:
    """Return the rows of the table after the line that begins like this."""
    _, _, rest = PAGE.prose.partition(f"\n{line}")
    rows = re.match(r"[^\n]*\n\n?((?:\|[^\n]*\n)+)", rest)
    assert rows, line
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1].strip().split("\n")]


def test_tables_of_results_are_those_of_the_json_files() -> None:
    shown = re.findall(r"^### [^\n]+\n\n(?:\|[^\n]*\n)+", PAGE.prose + "\n", re.MULTILINE)
    known = {table.markdown() for path in experiments() for own in read_results(path) for table in tables(own)}
    assert shown and {table.strip() for table in shown} <= known
    assert set(re.findall(r"^### (.+)$", PAGE.prose, re.MULTILINE)) == {
        table.partition("\n")[0].removeprefix("### ") for table in shown
    }


def test_plots_show_the_json_files() -> None:
    shown = re.findall(r"!\[[^\]]+\]\(experiments/([^)]+)\)", PAGE.prose)
    checksums = {
        plot_path(path, own.language, group, name): shown_checksum(own, group)
        for path in experiments()
        for own in read_results(path)
        for group in own.described["groups"]
        for name, _ in plots(own, group)
    }
    assert shown
    for plot in shown:
        assert checksums[FOLDER / plot] in (FOLDER / plot).read_text(encoding="utf-8"), plot
    assert {FOLDER / plot for plot in shown} == set(FOLDER.rglob("*.svg"))


def test_the_papers_values_and_the_sizes_of_the_text_are_those_of_the_json_files() -> None:
    paper = read_json(PAPER)
    assert cells_below("The paper's values")[2:] == [
        [name, *map(str, values)] for name, values in paper["accuracy"].items()
    ]
    manuals = read_json(FOLDER / "manuals.json")["manuals"]
    rows = cells_below("[manuals](guides/corpora.md#more-text-manuals)")[2:]
    assert rows[: len(manuals)] == [
        [manual["language"], manual["manual"], manual["package"], f"{manual['pages']:,}", f"{manual['characters']:,}"]
        for manual in manuals
    ]
    for language, *_, pages, characters in rows[len(manuals) :]:
        own = [manual for manual in manuals if manual["language"] == language]
        assert (pages, characters) == tuple(
            f"{sum(manual[key] for manual in own):,}" for key in ("pages", "characters")
        )
    assert {row[0] for row in rows[len(manuals) :]} == {manual["language"] for manual in manuals}


def test_the_sizes_of_test_sets_are_those_of_the_json_files() -> None:
    known = {
        record["recipe"]: f"{record['examples']:,}"
        for path in FOLDER.glob("*/*.json")
        for record in read_json(path)["downstream"]
    }
    shown = {name.strip("` "): row[-1] for row in cells_below("Downstream tasks")[2:] for name in row[0].split(",")}
    assert shown == known


def test_other_figures_of_the_page_are_in_the_json_files() -> None:
    known: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                collect(item)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            known.update({f"{value:,}", str(value)})

    for path in (PAPER, ROOT / "configs/models/experiment.json", *FOLDER.rglob("*.json")):
        collect(read_json(path))
    prose = re.sub(r"^\|.*$|`[^`]*`|\]\([^)]*\)", " ", PAGE.prose, flags=re.MULTILINE)
    figures = {figure.rstrip(",") for figure in NUMBER.findall(prose)}
    assert "50,000" in figures
    assert {figure for figure in figures if len(figure) > 2} - known == set()


def test_results_are_those_of_a_command_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # configs are relative to it
    found = {}
    for command in PAGE.commands:
        if "tools/compare_strategies.sh" in command and "--dry-run" not in command:
            args = parse_arguments(shlex.split(command)[2:])
            found.setdefault(args.config.stem, []).append(chosen_settings(args).model_dump(mode="json"))
    assert experiments()
    for path in experiments():
        settings = read_json(path)["settings"]
        assert settings in found[path.stem], path
        runs = [run for own in read_results(path) for of in own.runs.values() for run in of]
        pretrained = [run for run in runs if "steps" in run]
        assert {run["seed"] for run in pretrained} == set(settings["seeds"])
        assert all(sum(run["task_steps"].values()) == run["steps"] for run in pretrained)


def test_single_runs_are_those_of_a_command_of_the_page() -> None:
    runs = [read_json(path) for path in sorted(FOLDER.glob("*/*.json"))]
    known = {tuple(run["overrides"]): run["evaluations"][-1]["tasks"] for run in runs if "overrides" in run}
    commands = [shlex.split(command) for command in PAGE.commands if command.startswith("ernie-paddle pretrain")]
    shown = [known.pop(tuple(words[words.index("--set") + 1 :])) for words in commands]
    assert known == {}
    said = re.search(r"masked words are right in (\d+) per cent\s+instead of (\d+)", PAGE.prose)
    assert said
    accuracies = [round(100 * tasks["knowledge_masking"]["accuracy"]) for tasks in reversed(shown)]
    assert [int(figure) for figure in said.groups()] == accuracies
