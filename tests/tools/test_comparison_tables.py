"""Tables and report of an experiment: what they say is what a recount of the results says."""

import itertools
import random
import re
import statistics
from pathlib import Path
from typing import Any

import pytest
from comparison_plots import downstream_plot, held_out_plot, learning_curve_plot, write_plots
from comparison_report import PAPER, write_report
from comparison_tables import ResultTable, mean_and_interval, tables
from experiment import CONTINUAL, FROM_SCRATCH, INITIAL, MASKED_LM
from run_results import LanguageResults, by_language, read_results, write_result_file
from scipy.stats import ttest_rel

from ernie_paddle.files import read_json

SEEDS, RECIPES, TASKS = [1, 2, 3], ["x", "y"], ["a", "b", "c"]
OWN_TASKS = {"sequential": TASKS, CONTINUAL: TASKS, MASKED_LM: ["a"], f"{MASKED_LM}_half": ["a"]}
OWN_TASKS |= {"without_b": ["a", "c"], "without_c": ["a", "b"]}
TASK_IDS = {"a": 0, "b": 4}


def scores(rng: random.Random) -> dict[str, Any]:
    return {"loss": rng.random(), "accuracy": rng.random(), "labels": 9, "unigram_loss": 2.0, "majority_accuracy": 0.25}


def records(rng: random.Random, seeds: list[int]) -> list[dict[str, Any]]:
    """Return scores of fine-tuning, those with the recipe's row of the task embedding first."""
    return [
        {"recipe": recipe, "task_id": task_id, "seed": seed, "metric": "f1", "dev": 0.0, "test": rng.random()}
        for recipe, task_id, seed in itertools.product(RECIPES, TASK_IDS.values(), seeds)
    ]


def fake_results(rng: random.Random) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Results with random figures: stages introduce the tasks a, b and c; masked LM has a alone."""
    runs: list[dict[str, Any]] = []
    for (variant, own), seed in itertools.product(OWN_TASKS.items(), [*SEEDS, 9]):
        length = 15 if variant.endswith("half") else 30
        evaluations = [  # in the middle and at the end of each stage
            {
                "step": i * length // (2 * len(own)),
                "stage": max(1, -(-i // 2)),
                "tasks": {task: scores(rng) for task in own[: max(1, -(-i // 2))]},
            }
            for i in range(2 * len(own) + 1)
        ]
        run = {"language": "zh", "variant": variant, "seed": seed, "steps": length, "tokens": rng.randint(1000, 9000)}
        run |= {"seconds": rng.random() * 1000, "evaluations": evaluations, "downstream": records(rng, [1, 2])}
        runs.append(run)
    runs += [{"language": "zh", "variant": name, "downstream": records(rng, SEEDS)} for name in (FROM_SCRATCH, INITIAL)]
    described = {
        "budget": 30,
        "groups": {
            "strategies": ["sequential", CONTINUAL, MASKED_LM],
            "one_added": [MASKED_LM, "sequential"],
            "budget": [f"{MASKED_LM}_half", MASKED_LM],
            "task_ids": [CONTINUAL],
        },
        "learning_curves": {MASKED_LM: {MASKED_LM: 30, f"{MASKED_LM}_half": 15}},
        "recipes": RECIPES,
        "tasks": TASKS,
        "task_ids": TASK_IDS,
        "model": "tiny",
    }
    return {"settings": {"seeds": SEEDS, "finetuning_seeds": SEEDS}, "languages": {"zh": described}}, runs


@pytest.fixture(scope="module")
def results() -> LanguageResults:
    (found,) = by_language(*fake_results(random.Random(1)))
    return found


@pytest.fixture(scope="module")
def cells(results: LanguageResults) -> dict[str, dict[tuple[str, str], str]]:
    """The cells of each table by row and column, by the table's title."""
    return dict(map(read_table, tables(results)))


def read_table(table: ResultTable) -> tuple[str, dict[tuple[str, str], str]]:
    title, header, _, *rows = [line for line in table.markdown().split("\n") if line]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in (header, *rows)]
    assert title == f"### {table.title}"
    return table.title, {
        (row[0], column): cell for row in split[1:] for column, cell in zip(split[0][1:], row[1:], strict=True)
    }


def cell(values: list[float], digits: int) -> str:
    return f"{statistics.mean(values):,.{digits}f} ± {statistics.stdev(values):,.{digits}f}"


def per_model(runs: list[dict[str, Any]], recipe: str) -> list[float]:
    return [
        100 * statistics.mean(r["test"] for r in run["downstream"] if (r["recipe"], r["task_id"]) == (recipe, 0))
        for run in runs
    ]


def of_variant(name: str) -> list[dict[str, Any]]:
    """Return the runs of a variant that a table is about: those with the seeds of the experiment."""
    _, runs = fake_results(random.Random(1))
    return [run for run in runs if run["variant"] == name and run.get("seed") != 9]


@pytest.mark.parametrize("variant", ["sequential", CONTINUAL, MASKED_LM])
def test_costs_and_scores_are_means_over_the_seeds(variant: str, cells: dict[str, dict[tuple[str, str], str]]) -> None:
    own = of_variant(variant)
    assert len(own) == 3
    assert cells["zh, strategies: cost"][variant, "minutes"] == cell([run["seconds"] / 60 for run in own], 1)
    assert cells["zh, strategies: cost"][variant, "tokens"] == cell([run["tokens"] for run in own], 0)
    for recipe in RECIPES:
        assert cells["zh, strategies: downstream, per cent"][variant, recipe] == cell(per_model(own, recipe), 1)
    for value, factor, digits, title in (
        ("loss", 1, 3, "held-out loss at the end"),
        ("accuracy", 100, 1, "held-out accuracy at the end, per cent"),
    ):
        ends = [factor * run["evaluations"][-1]["tasks"]["a"][value] for run in own]
        assert cells[f"zh, strategies: {title}"][variant, "a"] == cell(ends, digits)


def test_rows_without_pre_training_have_the_spread_of_fine_tuning_seeds(
    cells: dict[str, dict[tuple[str, str], str]],
) -> None:
    for name, recipe in itertools.product((FROM_SCRATCH, INITIAL), RECIPES):
        (run,) = of_variant(name)
        values = [100 * r["test"] for r in run["downstream"] if (r["recipe"], r["task_id"]) == (recipe, 0)]
        assert cells["zh, strategies: downstream, per cent"][name, recipe] == cell(values, 1)
        assert (name, recipe) not in cells["zh, one_added: downstream, per cent"]
    ids = cells["zh, task_ids: downstream, per cent, over seeds of fine-tuning"]
    records = [record for run in of_variant(CONTINUAL) for record in run["downstream"]]
    values = [100 * r["test"] for r in records if (r["recipe"], r["task_id"]) == ("y", 4)]
    assert ids["b (4)", "y"] == cell(values, 1)


def test_held_out_tables_begin_with_the_scores_before_training_and_the_baseline(
    cells: dict[str, dict[tuple[str, str], str]],
) -> None:
    losses = cells["zh, strategies: held-out loss at the end"]
    assert list(dict.fromkeys(row for row, _ in losses)) == [
        "before",
        "unigram loss",
        "sequential",
        CONTINUAL,
        MASKED_LM,
    ]
    before = [run["evaluations"][0]["tasks"]["a"]["loss"] for run in of_variant("sequential")]
    assert losses["before", "a"] == cell(before, 3) and losses["before", "c"] == "-"
    assert losses[MASKED_LM, "b"] == "-" and losses["unigram loss", "c"] == "2.000"
    experiment, runs = fake_results(random.Random(1))
    for run in runs:
        run["evaluations"] = run.get("evaluations", [])[1:]
    (without,) = by_language(experiment, runs)
    assert all(("before", "a") not in found for found in dict(map(read_table, tables(without))).values())


def test_scores_with_other_seeds_of_fine_tuning_are_left_out() -> None:
    experiment, runs = fake_results(random.Random(1))
    (own,) = by_language(experiment, runs)
    added = [{**run, "downstream": [*records(random.Random(2), [9]), *run["downstream"]]} for run in runs]
    (same,) = by_language(experiment, added)
    assert same == own


def test_the_baseline_of_a_task_is_known_from_any_variant_that_has_it() -> None:
    experiment, runs = fake_results(random.Random(1))
    experiment["languages"]["zh"]["groups"] = {"leave_one_out": ["without_b", "without_c"]}
    (own,) = by_language(experiment, runs)
    losses = dict(map(read_table, tables(own)))["zh, leave_one_out: held-out loss at the end"]
    assert [losses["unigram loss", task] for task in TASKS] == ["2.000"] * len(TASKS)
    assert (losses["without_b", "b"], losses["without_c", "c"]) == ("-", "-")


def test_changes_are_those_since_the_end_of_a_tasks_own_stage(cells: dict[str, dict[tuple[str, str], str]]) -> None:
    runs = of_variant("sequential")
    changes = {
        task: [
            100 * (run["evaluations"][6]["tasks"][task]["accuracy"] - run["evaluations"][i]["tasks"][task]["accuracy"])
            for run in runs
        ]
        for i, task in ((2, "a"), (4, "b"))
    }
    change = cells["zh, strategies: change since a task's own stage, accuracy in points"]
    assert [change["sequential", task] for task in TASKS] == [cell(changes["a"], 1), cell(changes["b"], 1), "-"]
    means = [statistics.mean(pair) for pair in zip(*changes.values(), strict=True)]
    assert change["sequential", "mean"] == cell(means, 1) and change[MASKED_LM, "mean"] == "-"


@pytest.mark.parametrize(
    ("group", "base", "variant"),
    [
        ("strategies", CONTINUAL, "sequential"),
        ("strategies", CONTINUAL, MASKED_LM),
        ("one_added", MASKED_LM, "sequential"),
    ],
)
def test_differences_are_those_of_a_paired_t_test(
    group: str, base: str, variant: str, cells: dict[str, dict[tuple[str, str], str]]
) -> None:
    table = cells[f"zh, {group}: downstream, difference to {base} in points, with 95 % confidence interval"]
    assert (base, "x") not in table
    of = {name: {recipe: per_model(of_variant(name), recipe) for recipe in RECIPES} for name in (base, variant)}
    for name in (base, variant):
        of[name]["mean"] = [statistics.mean(pair) for pair in zip(*of[name].values(), strict=True)]
    for column in [*RECIPES, "mean"]:
        interval = ttest_rel(of[variant][column], of[base][column]).confidence_interval(0.95)
        mean = statistics.mean(of[variant][column]) - statistics.mean(of[base][column])
        assert table[variant, column] == f"{mean:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"


def test_differences_need_both_models_of_a_seed() -> None:
    experiment, runs = fake_results(random.Random(1))
    kept = [run for run in runs if (run["variant"], run.get("seed")) not in {(CONTINUAL, 1), ("sequential", 2)}]
    (results,) = by_language(experiment, kept)
    found = dict(map(read_table, tables(results)))
    table = found[f"zh, strategies: downstream, difference to {CONTINUAL} in points, with 95 % confidence interval"]
    (difference,) = {
        of_recipe[0] - of_base[0]
        for of_recipe, of_base in [
            (
                per_model([run for run in kept if (run["variant"], run.get("seed")) == ("sequential", 3)], "x"),
                per_model([run for run in kept if (run["variant"], run.get("seed")) == (CONTINUAL, 3)], "x"),
            )
        ]
    }
    assert table["sequential", "x"] == f"{difference:+.1f}"
    assert mean_and_interval([]) == "-" and mean_and_interval([-0.01]) == "+0.0"


def test_learning_curves_have_a_column_for_each_budget(
    results: LanguageResults, cells: dict[str, dict[tuple[str, str], str]]
) -> None:
    for variant, column in ((f"{MASKED_LM}_half", "15"), (MASKED_LM, "30")):
        own = of_variant(variant)
        assert cells["zh, budget: y by steps, per cent"][MASKED_LM, column] == cell(per_model(own, "y"), 1)
        losses = [run["evaluations"][-1]["tasks"]["a"]["loss"] for run in own]
        assert cells["zh, budget: held-out loss of a by steps"][MASKED_LM, column] == cell(losses, 3)
    panels = learning_curve_plot(results).axes
    assert [axes.get_title() for axes in panels] == [*RECIPES, "a"]
    line, dots = panels[1].lines
    assert list(line.get_xdata()) == [15, 30] and sorted(dots.get_xdata()) == [15] * 3 + [30] * 3
    assert line.get_ydata()[0] == pytest.approx(statistics.mean(per_model(of_variant(f"{MASKED_LM}_half"), "y")))


def test_plots_show_each_model_and_the_held_out_scores_of_each_evaluation(results: LanguageResults) -> None:
    runs = results.of_group("strategies")
    dots, mean = downstream_plot(runs, RECIPES).axes[1].lines[:2]
    assert list(dots.get_xdata()) == pytest.approx(per_model(of_variant("sequential"), "y"))
    assert mean.get_xdata()[0] == pytest.approx(statistics.mean(dots.get_xdata()))
    figure = held_out_plot(runs, TASKS)
    panel = figure.axes[2 * TASKS.index("b") + 1]
    lines = {str(line.get_label()): line for line in panel.lines}
    of_b = [[record for record in run["evaluations"] if "b" in record["tasks"]] for run in of_variant("sequential")]
    assert list(lines["sequential"].get_xdata()) == [record["step"] for record in of_b[0]] == [15, 20, 25, 30]
    assert list(lines["sequential"].get_ydata()) == pytest.approx(
        [statistics.mean(record["tasks"]["b"]["accuracy"] for record in column) for column in zip(*of_b, strict=True)]
    )
    assert MASKED_LM not in lines and CONTINUAL in lines
    ends = [line.get_xdata()[0] for line in panel.lines if line.get_linestyle() == ":"]
    assert sorted(ends) == [10, 10, 20, 20]


def test_the_report_has_every_table_and_stands_alone(tmp_path: Path, results: LanguageResults) -> None:
    experiment, runs = fake_results(random.Random(1))
    write_result_file(tmp_path / "results/fake.json", experiment)
    for run in runs:
        write_result_file(tmp_path / "results/zh" / f"{run['variant']}_{run.get('seed')}.json", run)
    write_report(tmp_path / "results/fake.json", tmp_path)
    page = (tmp_path / "fake.html").read_text()
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page) and page.count("<img") == 5
    shown = re.findall(r"<caption>(.*?)</caption>", page)
    known = [table.title.replace("'", "&#x27;") for table in tables(results)]
    assert [title for title in shown if title in known] == known
    for table in tables(results):
        assert all(f"<td>{text}</td>" in page for row in table.rows.values() for text in row)
    for name, values in read_json(PAPER, "paper")["accuracy"].items():
        assert f"<td>{name}</td>" + "".join(f"<td>{value}</td>" for value in values) in page
    assert page.count("9 of 9 pre-training runs are finished") == 1


def test_plots_are_written_again_when_their_results_change(tmp_path: Path) -> None:
    experiment, runs = fake_results(random.Random(1))
    path = tmp_path / "fake.json"
    write_result_file(path, experiment)

    def write(changed: dict[str, Any]) -> dict[str, bytes]:
        for number, run in enumerate(runs):
            write_result_file(tmp_path / f"zh/{number:02}.json", run | (changed if run["variant"] == CONTINUAL else {}))
        write_plots(path)
        return {plot.name: plot.read_bytes() for plot in sorted((tmp_path / "plots").iterdir())}

    first = write({})
    assert sorted(first) == [
        "zh_budget_learning_curves.svg",
        *(
            f"zh_{group}_{name}.svg"
            for group in ("one_added", "strategies")
            for name in ("downstream_scores", "held-out_scores")
        ),
    ]
    assert write({}) == first
    changed = write({"evaluations": []})
    assert {name for name in first if first[name] != changed[name]} == {
        f"zh_strategies_{name}.svg" for name in ("downstream_scores", "held-out_scores")
    }


def test_results_are_json_with_a_line_for_each_entry_and_only_changes_are_written(tmp_path: Path) -> None:
    experiment, runs = fake_results(random.Random(1))
    path = tmp_path / "results/fake.json"
    write_result_file(path, experiment)
    for number, run in enumerate(runs):
        own = path.parent / f"zh/{number:02}.json"
        write_result_file(own, run)
        assert read_json(own, "run") == run
        lists = ("evaluations", "downstream")
        assert len(own.read_text().splitlines()) == 2 + sum(len(run[key]) + 2 if key in lists else 1 for key in run)
    (results,) = read_results(path)
    assert [run for own in results.runs.values() for run in own] == [run for run in runs if run.get("seed") != 9]
    written = path.stat().st_mtime_ns
    write_result_file(path, experiment)
    assert path.stat().st_mtime_ns == written
